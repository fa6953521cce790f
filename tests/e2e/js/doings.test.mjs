// What the official JavaScript client is shown of what agents do beside speaking: who follows, who comes in the
// middle, and who comes back. Run by tests/e2e/test_sdk_javascript.py, which names in THINGS where agents wait for files.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import * as at from './house.mjs';

const inOrder = (offsets) => assert.deepEqual(offsets, [...new Set(offsets)].sort((a, b) => a - b));
const ready = (thing, text) => writeFileSync(`${process.env.THINGS}/${thing}`, text);
const ended = ({ noted }) => at.eventually(() => noted.events('turn.finished').length, 'the end of the turn', 30_000);
const idOf = ({ message, call, subagent }) => message ?? call ?? subagent;

// Follows, and holds what is under way as docs/clients.md says: replies replace, deltas continue.
async function watch(device, conversation) {
  const followed = await at.follow(device, conversation);
  const held = (followed.held = new Map());
  const replace = ({ data }) => {
    held.clear();
    data.underway.forEach((each) => held.set(idOf(each), each.text));
  };
  replace(followed.noted.subscribed[0]);
  followed.sub.on('subscribed', replace);
  followed.sub.on('publication', ({ data }) => {
    if (!/^(tool|reasoning|subagent)\.delta$/.test(data.type)) return;
    const text = held.get(idOf(data)) ?? '';
    assert.equal(data.at, text.length);
    held.set(idOf(data), text + data.text);
  });
  return followed;
}

const backAgain = ({ noted }) =>
  at.eventually(() => noted.subscribed.length > 1 && noted.subscribed.at(-1), 'the device to come back', 30_000);

async function three() {
  const ann = at.somebody('ann');
  return [await at.arrive(ann), await at.arrive(ann), await at.arrive(ann, { server: 1, maxReconnectDelay: 500 })];
}

test('a thought is streamed in few pieces and whole to who comes late and to who comes back', async () => {
  const [device, second, third] = await three();
  const conversation = await at.create(device);
  const [here, away] = [await watch(device, conversation), await watch(third, conversation)];
  const thing = '🌬 wind '.repeat(15).trim();
  const thought = `It may be ${thing}`;
  await at.send(device, conversation, `think of ${thing}`);
  const known = ({ noted, held }) => held.get(noted.events('reasoning.started')[0]?.message);
  for (const each of [here, away]) await at.eventually(() => known(each) === thought, 'the thought to be streamed');
  const [{ message }] = here.noted.events('reasoning.started');
  assert.ok(here.noted.events('reasoning.delta').length < [...thought].length / 4);
  const late = await watch(second, conversation);
  assert.deepEqual([...late.held], [[message, thought]]);
  assert.deepEqual(late.noted.subscribed[0].data.open, []);
  await at.house('kill', 'connection-2');
  await at.house('restart', 'connection-2');
  const back = await backAgain(away);
  assert.deepEqual([back.recovered, [...away.held]], [true, [[message, thought]]]);
  ready(thing, '');
  for (const each of [here, late, away]) {
    await ended(each);
    const [completed, ...more] = each.noted.events('reasoning.completed');
    assert.deepEqual([completed.message, completed.text, more], [message, `${thought}.`, []]);
    assert.ok(completed.text.startsWith(each.held.get(message)));
    assert.deepEqual(each.noted.events('message.completed').map(({ text }) => text), [`I thought of ${thing}.`]);
    inOrder(each.noted.offsets());
  }
  const { messages, underway } = await at.rpc(device, 'conversation.history', { conversation });
  assert.deepEqual([messages.length, underway], [2, []]);
});

test('an agent within the agent and what its nodes write are shown to all who follow', async () => {
  const [device, second, third] = await three();
  const { conversation } = await at.rpc(device, 'conversation.create', { members: [], agents: ['team'] });
  const [here, away] = [await watch(device, conversation), await watch(third, conversation)];
  await at.send(device, conversation, 'rope');
  const atWork = ({ noted, held }) => held.get(noted.events('tool.started')[0]?.call)?.endsWith('}');
  for (const each of [here, away]) await at.eventually(() => atWork(each), 'the tool to be called');
  const [[subagent], [tool]] = [here.noted.events('subagent.started'), here.noted.events('tool.started')];
  assert.deepEqual([subagent.path, tool.path], [['helper'], ['helper']]);
  const late = await watch(second, conversation);
  await at.house('kill', 'connection-2');
  await at.house('restart', 'connection-2');
  const back = await backAgain(away);
  assert.ok(back.recovered);
  for (const { data } of [late.noted.subscribed[0], back]) {
    const ids = Object.fromEntries(data.underway.map((each) => [each.kind, idOf(each)]));
    assert.deepEqual(ids, { subagent: subagent.subagent, tool: tool.call });
  }
  ready('rope', 'long');
  for (const each of [here, late, away]) {
    await ended(each);
    const [[over], [called]] = [each.noted.events('subagent.finished'), each.noted.events('tool.finished')];
    assert.deepEqual([over.subagent, over.outcome, over.path], [subagent.subagent, 'completed', ['helper']]);
    assert.deepEqual([called.call, called.outcome, called.result], [tool.call, 'completed', 'long']);
    assert.equal(each.held.get(subagent.subagent), 'It says: long');
    const written = each.noted.events('agent.custom').flatMap(({ values }) => values);
    assert.deepEqual(written, each === late ? [{ shown: 3 }] : [{ shown: 1 }, { shown: 3 }]);
    assert.deepEqual(each.noted.events('message.completed').map(({ text }) => text), ['It says: long']);
    inOrder(each.noted.offsets());
  }
});
