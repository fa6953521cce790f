// The official JavaScript client, as it comes, against the whole house. Run by tests/e2e/test_sdk_javascript.py.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as at from './house.mjs';

const refused = (call, code) => assert.rejects(call, (error) => assert.equal(error.code, code) ?? true);
const inOrder = (offsets) => assert.deepEqual(offsets, [...new Set(offsets)].sort((a, b) => a - b));

async function said(noted, ...texts) {
  await at.eventually(() => noted.said().length >= texts.length, `${texts}`);
  assert.deepEqual(noted.said(), texts);
}

test('a device connects and is told who it is', async () => {
  const { noted } = await at.arrive(at.somebody('ann'));
  assert.ok(noted.connected[0].client);
  assert.equal(noted.connected[0].transport, 'websocket');
});

test('what one publishes every member hears on either server', async () => {
  const [ann, bob] = [at.somebody('ann'), at.somebody('bob')];
  const [here, there] = [await at.arrive(ann), await at.arrive(bob, { server: 1 })];
  const conversation = await at.create(here, bob);
  const [mine, theirs] = [await at.follow(here, conversation), await at.follow(there, conversation)];
  const message = at.uuid7();
  await mine.sub.publish({ id: message, text: 'hello' });
  for (const { noted } of [mine, theirs]) {
    await said(noted, 'hello');
    const [event] = noted.events('message.created');
    assert.deepEqual([event.message, event.user, event.conversation], [message, ann, conversation]);
  }
});

test('what the outbox of the docs holds is said once and in order through the death of a server', async () => {
  const device = await at.arrive(at.somebody('ann'), { server: 1, maxReconnectDelay: 500 });
  const conversation = await at.create(device);
  const outbox = new at.Outbox(device.client);
  const texts = [...Array(30).keys()].map((number) => `said ${number}`);
  texts.forEach((text) => outbox.say(conversation, text));
  const sent = outbox.deliver();
  await at.eventually(() => outbox.sent.length > 3, 'the first replies');
  await at.house('kill', 'connection-2');
  await at.house('restart', 'connection-2');
  await sent;
  const { messages } = await at.rpc(device, 'conversation.history', { conversation });
  assert.deepEqual(messages.filter(({ user }) => user).map(({ text }) => text), texts);
  assert.deepEqual([outbox.refused, outbox.unsent], [[], []]);
});

test('an id that is known stands for its first body and an old one is not taken', async () => {
  const device = await at.arrive(at.somebody('ann'));
  const conversation = await at.create(device);
  const outbox = new at.Outbox(device.client);
  const first = outbox.say(conversation, 'first');
  const again = { ...first };
  const other = { ...first, text: 'another' };
  const old = { ...first, id: '01234567' + first.id.slice(8) };
  outbox.unsent.push(again, other, old);
  await outbox.deliver();
  assert.deepEqual(outbox.sent.map(([, reply]) => reply.repeated), [false, true]);
  assert.deepEqual(outbox.refused.map(([, error]) => error.code), [409, 410]);
});

test('an answer streams and ends as the text that is kept', async () => {
  const device = await at.arrive(at.somebody('ann'));
  const conversation = await at.create(device);
  const { noted } = await at.follow(device, conversation);
  await at.send(device, conversation, 'hello, who are you?');
  await at.eventually(() => noted.events('turn.finished').length, 'the end of the turn');
  const [completed] = noted.events('message.completed');
  const deltas = noted.events('message.delta');
  assert.ok(deltas.length > 1);
  assert.ok(completed.text.startsWith(deltas.map((delta) => delta.text).join('')));
  const page = await at.rpc(device, 'conversation.history', { conversation });
  assert.equal(page.messages.at(-1).text, completed.text);
  inOrder(noted.offsets());
});

test('a device whose server is killed recovers all it missed once and in order', async () => {
  const [ann, bob] = [at.somebody('ann'), at.somebody('bob')];
  const away = await at.arrive(ann, { server: 1, maxReconnectDelay: 1000 });
  const here = await at.arrive(bob);
  const conversation = await at.create(here, ann);
  const missing = await at.follow(away, conversation);
  const staying = await at.follow(here, conversation);
  await at.send(here, conversation, 'before');
  await said(missing.noted, 'before');
  await at.house('kill', 'connection-2');
  const meanwhile = [0, 1, 2, 3, 4].map((number) => `meanwhile ${number}`);
  for (const text of meanwhile) await at.send(here, conversation, text);
  await at.house('restart', 'connection-2');
  await at.send(here, conversation, 'after');
  for (const { noted } of [missing, staying]) await said(noted, 'before', ...meanwhile, 'after');
  assert.equal(missing.noted.subscribed.length, 2);
  assert.deepEqual(
    [missing.noted.subscribed[1].wasRecovering, missing.noted.subscribed[1].recovered],
    [true, true],
  );
  inOrder(missing.noted.offsets());
});

test('a device that comes back in the middle of an answer gets its text exactly', async () => {
  const [ann, bob] = [at.somebody('ann'), at.somebody('bob')];
  const away = await at.arrive(ann, { server: 1, maxReconnectDelay: 1000 });
  const here = await at.arrive(bob);
  const conversation = await at.create(here, ann);
  const missing = await at.follow(away, conversation);
  const texts = {};
  const hold = (message, text) => (texts[message] = text);
  missing.sub.on('subscribed', (ctx) => ctx.data?.open.forEach((open) => hold(open.message, open.text)));
  missing.sub.on('publication', ({ data }) => {
    if (data.type === 'message.delta') {
      assert.equal(data.at, (texts[data.message] ?? '').length);
      hold(data.message, (texts[data.message] ?? '') + data.text);
    }
  });
  await at.send(here, conversation, 'tell me a long story');
  await at.eventually(() => missing.noted.events('message.delta').length > 2, 'the answer to begin');
  await at.house('kill', 'connection-2');
  await at.house('restart', 'connection-2');
  await at.eventually(() => missing.noted.events('message.completed').length, 'the answer to end');
  const [completed] = missing.noted.events('message.completed');
  const kept = await at.rpc(here, 'conversation.history', { conversation });
  assert.equal(kept.messages.at(-1).text, completed.text);
  assert.ok(completed.text.startsWith(texts[completed.message]));
});

test('a connection outlives its token by refreshing it', async () => {
  const { client, noted } = await at.arrive(at.somebody('ann'), { ttl: 2 });
  await at.eventually(() => noted.asked >= 3, 'two refreshes');
  assert.equal(client.state, 'connected');
  assert.deepEqual([noted.connected.length, noted.errors], [1, []]);
});

test('an expired token is replaced and a forged one ends the connection', async () => {
  const user = at.somebody('ann');
  const tokens = [at.token(user, { ttl: -5 }), at.token(user)];
  const late = await at.arrive(user, { getToken: () => tokens.shift() });
  assert.ok(late.noted.errors.includes(109));
  const forged = at.client(user, { getToken: () => at.token(user, { secret: 'another secret of that length' }) });
  forged.client.connect();
  await at.eventually(() => forged.noted.disconnected.length, 'the end of the connection');
  assert.deepEqual(forged.noted.disconnected, [3500]);
});

test('a subscription outlives its token by refreshing it', async () => {
  const device = await at.arrive(at.somebody('ann'));
  const conversation = await at.create(device);
  let asked = 0;
  const getToken = async ({ channel }) => {
    asked += 1;
    return at.token(device.user, { ttl: 2, channel });
  };
  const { noted } = await at.follow(device, conversation, { getToken });
  await at.eventually(() => asked >= 3, 'two refreshes');
  await at.send(device, conversation, 'still here');
  await said(noted, 'still here');
  assert.deepEqual([noted.subscribed.length, noted.unsubscribed, noted.errors], [1, [], []]);
});

test('presence names who is here and arriving and leaving are announced', async () => {
  const [ann, bob] = [at.somebody('ann'), at.somebody('bob')];
  const [watching, visitor] = [await at.arrive(ann), await at.arrive(bob, { server: 1 })];
  const conversation = await at.create(watching, bob);
  const { sub, noted } = await at.follow(watching, conversation, { joinLeave: true });
  await at.follow(visitor, conversation);
  await at.eventually(() => noted.joins.includes(bob), 'the visitor to arrive');
  const { clients } = await sub.presence();
  assert.deepEqual(Object.values(clients).map((info) => info.user).sort(), [ann, bob]);
  assert.deepEqual(await sub.presenceStats(), { numClients: 2, numUsers: 2 });
  visitor.client.disconnect();
  await at.eventually(() => noted.leaves.includes(bob), 'the visitor to leave');
});

test('history is read forward backward and from a position', async () => {
  const device = await at.arrive(at.somebody('ann'));
  const conversation = await at.create(device);
  const { sub } = await at.follow(device, conversation);
  for (const text of ['one', 'two', 'three']) await at.send(device, conversation, text);
  const texts = ({ publications }) =>
    publications.filter((pub) => pub.data.type === 'message.created').map((pub) => pub.data.text);
  const everything = await sub.history({ limit: -1 });
  assert.deepEqual(texts(everything), ['one', 'two', 'three']);
  const { offset } = everything.publications.find((pub) => pub.data.text === 'two');
  const since = { offset, epoch: everything.epoch };
  assert.deepEqual(texts(await sub.history({ limit: -1, since })), ['three']);
  assert.deepEqual(texts(await sub.history({ limit: -1, since, reverse: true })), ['one']);
  await refused(sub.history({ limit: -1, since: { offset, epoch: 'elsewhere' } }), 112);
});

test('what is not allowed or not there is answered with its code', async () => {
  const [device, stranger] = [await at.arrive(at.somebody('ann')), await at.arrive(at.somebody('eve'))];
  const conversation = await at.create(device);
  await refused(at.rpc(stranger, 'conversation.history', { conversation }), 103);
  await refused(at.rpc(device, 'conversation.fly'), 104);
  await refused(at.rpc(device, 'conversation.send', { conversation }), 107);
  await refused(stranger.client.publish('news', {}), 102);
  await refused(device.client.publish(`conversation:${conversation}`, { any: 'thing' }), 103);
  const { noted } = at.subscription(stranger, `conversation:${conversation}`);
  await at.eventually(() => noted.unsubscribed.length, 'the refusal');
  assert.deepEqual(noted.unsubscribed, [103]);
});

test('a member who is removed loses the subscription', async () => {
  const [ann, bob] = [at.somebody('ann'), at.somebody('bob')];
  const [owner, member] = [await at.arrive(ann), await at.arrive(bob, { server: 1 })];
  const conversation = await at.create(owner, bob);
  const { noted } = await at.follow(member, conversation);
  await at.rpc(owner, 'conversation.members.remove', { conversation, user: bob });
  await at.eventually(() => noted.unsubscribed.length, 'the end of the subscription');
  assert.deepEqual(noted.unsubscribed, [2000]);
});

test('the users own channel tells of new conversations also after a crash', async () => {
  const [ann, bob] = [at.somebody('ann'), at.somebody('bob')];
  const device = await at.arrive(ann);
  const { noted } = await at.arrive(bob, { server: 1, maxReconnectDelay: 1000 });
  await at.eventually(() => noted.serverSide.length, 'the own channel');
  assert.equal(noted.serverSide[0].channel, `#${bob}`);
  const first = await at.create(device, bob);
  await at.eventually(() => noted.publications.length, 'the first invitation');
  await at.house('kill', 'connection-2');
  const second = await at.create(device, bob);
  await at.house('restart', 'connection-2');
  await at.eventually(() => noted.publications.length > 1, 'the second invitation');
  assert.deepEqual(noted.publications.map(({ data }) => data.conversation), [first, second]);
});

test('who was there and who comes late are shown the same of what people do as the docs have it', async () => {
  const [ann, bob] = [at.somebody('ann'), at.somebody('bob')];
  const [writing, phone] = [await at.arrive(ann), await at.arrive(bob, { server: 1 })];
  const { conversation } = await at.rpc(writing, 'conversation.create', {
    members: [bob],
    answers: { assistant: 'never' },
  });
  const watch = async (device) => {
    const shown = new at.Shown(bob);
    shown.history((await at.rpc(device, 'conversation.history', { conversation })).messages);
    const { sub, noted } = at.subscription(device, `conversation:${conversation}`);
    sub.on('subscribed', ({ data }) => shown.subscribed(data));
    sub.on('publication', ({ data }) => shown.event(data));
    await at.eventually(() => noted.subscribed.length, 'the subscription');
    return shown;
  };
  const live = await watch(phone);
  const say = (text, more) =>
    at.rpc(writing, 'conversation.send', { conversation, id: at.uuid7(), text, ...more });
  const first = (await say('five')).message;
  const second = (await say('a secret')).message;
  await say(`@${bob} come`, { reply_to: first });
  await at.rpc(writing, 'message.edit', { conversation, id: first, text: 'six' });
  await at.rpc(writing, 'message.delete', { conversation, id: second });
  for (const [device, on] of [[writing, true], [phone, true], [writing, false]])
    await at.rpc(device, 'message.react', { conversation, id: first, reaction: '+1', on });
  await at.rpc(phone, 'conversation.read', { conversation, seq: 2 });
  await at.rpc(writing, 'conversation.typing', { conversation, typing: true });
  await at.eventually(() => live.typing.includes(ann) && live.read === 2, 'all of it to be told');
  const desk = await at.arrive(bob);
  const late = await watch(desk);
  const names = ['id', 'user', 'text', 'seq', 'edits', 'deleted', 'reactions', 'reply_to', 'mentions'];
  const people = ({ messages }) => [...messages.values()].map((each) => names.map((name) => each[name]));
  assert.deepEqual(people(live), people(late));
  const [six, deleted, reply] = late.messages.values();
  assert.deepEqual([six.text, six.edits, six.reactions], ['six', 1, { '+1': [bob] }]);
  assert.deepEqual([deleted.text, deleted.deleted], ['', true]);
  assert.deepEqual([reply.reply_to, reply.mentions], [first, [bob]]);
  assert.deepEqual([live.unread, late.unread, late.typing], [1, 1, []]);
  const both = async () => (await at.who(desk.client, conversation)).get(bob)?.connections === 2;
  await at.eventually(both, 'both devices to be there');
});
