// What people do in a conversation beside saying something: ../deeds.py for devices on this client, the half of
// it that members do. Each returns an RPC and its arguments, or nothing where there is nothing to do it to.

const REACTIONS = ['+1', 'heart', '😀'];
const any = (random, those) => those[Math.floor(random() * those.length)];

const edit = (name, random, { own }) =>
  own.length && ['message.edit', { id: any(random, own), text: `${name} says otherwise: ${Math.floor(random() * 99)}` }];
const react = (_, random, { known }) =>
  known.length && ['message.react', { id: any(random, known), reaction: any(random, REACTIONS), on: random() < 0.7 }];
const read = (_, random, { top }) => top > 0 && ['conversation.read', { seq: 1 + Math.floor(random() * top) }];
const typing = (_, random) => ['conversation.typing', { typing: random() < 0.7 }];
const rename = (_, random) => ['conversation.rename', { title: `title ${1 + Math.floor(random() * 3)}` }];

// What device `name` does next. own, known: messages; top: the highest number seen.
export function draw(name, random, scope) {
  return any(random, [edit, edit, react, react, read, read, typing, rename])(name, random, scope) || null;
}
