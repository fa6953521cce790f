// What the tests share: clients that leave at the end, waiting for a condition, and a word to the house.
// The house is in the environment: ADDRESSES (two servers), SECRET (of the tokens), CONTROL (kills and starts servers).

import { randomUUID } from 'node:crypto';
import { after } from 'node:test';
import { Centrifuge, Outbox, Shown, eventually, token, uuid7, who } from './official.mjs';

export { Outbox, Shown, eventually, token, uuid7, who };

const addresses = process.env.ADDRESSES.split(',');
const here = [];

after(() => here.forEach((client) => client.disconnect()));

export const somebody = (name) => `${name}-${randomUUID().slice(0, 8)}`;

// One user's client with notes of what it reported; `asked` counts the tokens it wanted.
export function client(user, { server = 0, ttl = 600, getToken, ...more } = {}) {
  const noted = { asked: 0, connected: [], disconnected: [], errors: [], serverSide: [], publications: [] };
  const made = new Centrifuge(addresses[server], {
    getToken: async () => {
      noted.asked += 1;
      return getToken ? getToken() : token(user, { ttl });
    },
    ...more,
  });
  made.on('connected', (ctx) => noted.connected.push(ctx));
  made.on('disconnected', (ctx) => noted.disconnected.push(ctx.code));
  made.on('error', (ctx) => noted.errors.push(ctx.error.code));
  made.on('subscribed', (ctx) => noted.serverSide.push(ctx));
  made.on('publication', (ctx) => noted.publications.push(ctx));
  here.push(made);
  return { user, client: made, noted };
}

export async function arrive(user, options) {
  const device = client(user, options);
  device.client.connect();
  await device.client.ready(10_000);
  return device;
}

export const rpc = async (device, method, data = {}) => (await device.client.rpc(method, data)).data;

export const create = async (device, ...members) =>
  (await rpc(device, 'conversation.create', { members })).conversation;

export const send = (device, conversation, text) =>
  rpc(device, 'conversation.send', { conversation, id: uuid7(), text });

// A subscription and its notes, in the order in which the client reported.
export function subscription(device, channel, options = {}) {
  const noted = { subscribed: [], unsubscribed: [], publications: [], joins: [], leaves: [], errors: [] };
  const sub = device.client.newSubscription(channel, options);
  sub.on('subscribed', (ctx) => noted.subscribed.push(ctx));
  sub.on('unsubscribed', (ctx) => noted.unsubscribed.push(ctx.code));
  sub.on('publication', (ctx) => noted.publications.push(ctx));
  sub.on('join', (ctx) => noted.joins.push(ctx.info.user));
  sub.on('leave', (ctx) => noted.leaves.push(ctx.info.user));
  sub.on('error', (ctx) => noted.errors.push(ctx.error.code));
  sub.subscribe();
  noted.events = (type) => noted.publications.map((pub) => pub.data).filter((data) => data.type === type);
  noted.said = () => noted.events('message.created').map((event) => event.text);
  noted.offsets = () => noted.publications.map((pub) => pub.offset).filter(Boolean);
  return { sub, noted };
}

export async function follow(device, conversation, options) {
  const followed = subscription(device, `conversation:${conversation}`, options);
  await followed.sub.ready(10_000);
  return followed;
}

export async function house(verb, name) {
  const done = await fetch(`${process.env.CONTROL}/${verb}/${name}`);
  if (!done.ok) throw new Error(`${verb} ${name}: ${await done.text()}`);
}
