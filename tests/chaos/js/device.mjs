// A device of the campaign on the official JavaScript client: what ../device.py is on the Python one.
// It talks, sends the same id until it is acknowledged, now and then sends an acknowledged message again, and
// never judges anything: the checker does, from the notes.

import { createHash } from 'node:crypto';
import { Centrifuge, eventually, uuid7 } from '../../e2e/js/official.mjs';
import { draw } from './deeds.mjs';

const PAGE = 200;
const LATELY = 20;
const [AGAIN_FIRST, AGAIN_LAST] = [100, 1000];
const asleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

// Below 100 are the client's own codes: nobody said whether it was done.
function unreached(error) {
  if (typeof error?.code !== 'number') throw error;
  return error.code < 100;
}

// Numbers in [0, 1), the same for the same seed.
function dice(seed) {
  let state = createHash('sha256').update(seed).digest().readUInt32LE();
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

// A conversation as a device follows it. unanswered: turns this device knows of that are not finished; alone: no
// agent answers there. known: messages, the newest last; top: the highest number seen.
class Part {
  subscription = null;
  loads = 0;
  loaded = null;
  used = false;
  last = 0;
  unanswered = new Set();
  sent = [];
  known = [];
  top = 0;

  constructor(id, alone) {
    [this.id, this.alone] = [id, alone];
  }

  knows(message, seq = 0) {
    this.known = [...this.known.slice(-LATELY), message];
    this.top = Math.max(this.top, seq);
  }
}

export class Device {
  outbox = 0;
  #name;
  #user;
  #servers;
  #at = 0;
  #notes;
  #random;
  #parts = [];
  #client;
  #connected = false;
  #hush;
  #quiet = new Promise((resolve) => (this.#hush = () => resolve(true)));

  constructor(name, user, servers, token, notes, seed) {
    [this.#name, this.#user, this.#servers, this.#notes, this.#random] = [name, user, servers, notes, dice(seed)];
    this.#client = new Centrifuge(servers[0], {
      getToken: async () => token(),
      minReconnectDelay: 100,
      maxReconnectDelay: 1000,
      maxServerPingDelay: 3000,
    });
    this.#watch();
  }

  // -- connecting and following

  // Connect and follow; returns when asked for, not when done: faults may be under way.
  begin(conversations, life, alone = []) {
    this.#notes.write('life', { device: this.#name, user: this.#user, life });
    this.#client.connect();
    for (const conversation of conversations) {
      const part = new Part(conversation, alone.includes(conversation));
      this.#parts.push(part);
      part.subscription = this.#client.newSubscription(`conversation:${conversation}`, {
        getState: () => this.#load(part),
        minResubscribeDelay: 100,
        maxResubscribeDelay: 1000,
      });
      this.#follow(part);
      part.subscription.subscribe();
    }
  }

  // Take the next server for the next attempt.
  #rotate() {
    this.#at = (this.#at + 1) % this.#servers.length;
    this.#client._endpoint = this.#servers[this.#at];
  }

  #watch() {
    this.#client.on('connecting', ({ code }) => {
      this.#connected = false;
      this.#notes.write('connecting', { code });
      if (code) this.#rotate();
    });
    this.#client.on('error', () => {
      if (!this.#connected) this.#rotate();
    });
    this.#client.on('connected', ({ client }) => {
      this.#connected = true;
      this.#notes.write('connected', { client });
    });
    this.#client.on('disconnected', ({ code }) => {
      this.#connected = false;
      this.#notes.write('disconnected', { code });
    });
  }

  #follow(part) {
    const note = (kind, facts) => this.#notes.write(kind, { conversation: part.id, ...facts });
    part.subscription.on('subscribing', ({ code }) => note('subscribing', { code }));
    part.subscription.on('unsubscribed', ({ code }) => note('unsubscribed', { code }));
    part.subscription.on('subscribed', ({ streamPosition, recovered, wasRecovering, data }) => {
      if (part.loaded) {
        note('loaded', part.loaded);
        part.last = part.loaded.offset;
        part.loaded.messages.forEach(({ id, seq }) => part.knows(id, seq));
        part.loaded = null;
        part.unanswered.clear();
      }
      const { epoch, offset } = streamPosition;
      const read = data?.read?.seq;
      note('subscribed', { epoch, offset, recovered, was_recovering: wasRecovering, open: unfinished(data), read });
    });
    part.subscription.on('publication', ({ data: event, offset = 0 }) => {
      note('pub', { offset, event });
      part.last = Math.max(part.last, offset);
      if (['message.created', 'message.completed'].includes(event.type)) part.knows(event.message, event.seq);
      if (event.type === 'turn.started') part.unanswered.add(event.turn);
      else if (event.type === 'message.created' && !part.alone) part.unanswered.add(event.message);
      else if (event.type === 'turn.finished') part.unanswered.clear();
    });
  }

  // History and the position that belongs to it: the device's view is what is loaded, once used. Here a lost
  // connection does not outdate a load: it fails, or its position is what the next connection subscribes with;
  // only a subscription that has ended ignores it.
  async #load(part) {
    if (part.used) {
      // It had a position, and the server did not take it: this client tells of a 112 by asking again only.
      this.#notes.write('error', { conversation: part.id, code: 112 });
    }
    [part.used, part.loaded] = [false, null];
    const number = ++part.loads;
    let { messages, more, open, underway, position } = await this.#page(part.id);
    while (more) {
      const older = await this.#page(part.id, { before: messages[0].seq });
      messages = [...older.messages, ...messages];
      more = older.more;
    }
    if (number === part.loads && part.subscription.state === 'subscribing') {
      part.used = true;
      part.loaded = { messages, open: unfinished({ open, underway }), ...position };
    }
    return position;
  }

  async #page(conversation, before = {}) {
    const asked = { conversation, limit: PAGE, ...before };
    return (await this.#client.rpc('conversation.history', asked)).data;
  }

  // -- talking

  // Say something now and then, until `quiet`. wanders: go to the other server now and then.
  async talk([least, most], { wanders }) {
    while (!(await this.#quietWithin(1000 * (least + this.#random() * (most - least))))) {
      const part = this.#any(this.#parts);
      if (part.unanswered.size < 4) {
        this.#say(part);
        if (this.#random() < 0.15) this.#say(part); // at once: which comes first is the house's word
      }
      if (part.sent.length && this.#random() < 0.2) this.#send(part, ...this.#any(part.sent.slice(-20)));
      if (this.#random() < 0.04) this.#cancel(part);
      if (this.#random() < 0.4) this.#act(part);
      if (wanders && this.#random() < 0.05) this.#wander();
    }
  }

  // Say nothing new any more.
  quiet() {
    this.#hush();
  }

  #any(those) {
    return those[Math.floor(this.#random() * those.length)];
  }

  #quietWithin(milliseconds) {
    return Promise.race([this.#quiet, asleep(milliseconds).then(() => false)]);
  }

  #say(part) {
    const [message, number] = [uuid7(), part.sent.length];
    const pieces = 3 + Math.floor(this.#random() * 28);
    const text = this.#any([
      `${this.#name} says ${number}`,
      `${this.#name} ${number}: count to ${pieces}`,
    ]);
    part.sent.push([message, text]);
    this.#send(part, message, text);
    if (this.#random() < 0.1) this.#send(part, message, text); // the same command twice at once
  }

  // Do something that people do; now and then twice at once.
  #act(part) {
    const own = part.sent.slice(-LATELY).map(([message]) => message);
    const deed = draw(this.#name, this.#random, { own, known: part.known, top: part.top });
    if (!deed) return;
    this.#do(part, ...deed);
    if (this.#random() < 0.1) this.#do(part, ...deed);
  }

  // Do it until it is acknowledged or refused for good.
  async #do(part, method, asked) {
    let delay = AGAIN_FIRST;
    this.outbox += 1;
    for (;;) {
      try {
        const { data } = await this.#client.rpc(method, { conversation: part.id, ...asked });
        const done = { conversation: part.id, method, arguments: asked, ...data.position };
        if (data.position) this.#notes.write('done', done);
        break;
      } catch (error) {
        if (!unreached(error) && !error.temporary) break;
      }
      await asleep(delay);
      delay = Math.min(2 * delay, AGAIN_LAST);
    }
    this.outbox -= 1;
  }

  // Send until it is acknowledged or refused for good.
  async #send(part, message, text) {
    const about = { conversation: part.id, message };
    let [delay, tries] = [AGAIN_FIRST, 0];
    this.outbox += 1;
    for (;;) {
      tries += 1;
      this.#notes.write('send', { ...about, text, try: tries });
      try {
        const { data } = await this.#client.rpc('conversation.send', { conversation: part.id, id: message, text });
        this.#notes.write('acked', { ...about, ...data.position });
        break;
      } catch (error) {
        if (!unreached(error)) {
          const temporary = Boolean(error.temporary);
          this.#notes.write('refused', { ...about, code: error.code, temporary });
          if (!temporary) break;
        }
      }
      await asleep(delay);
      delay = Math.min(2 * delay, AGAIN_LAST);
    }
    this.outbox -= 1;
  }

  async #cancel(part) {
    try {
      this.#notes.write('cancelling', { conversation: part.id });
      const { data } = await this.#client.rpc('conversation.cancel', { conversation: part.id });
      this.#notes.write('cancel', { conversation: part.id, turns: data.turns });
    } catch (error) {
      unreached(error);
    }
  }

  // Go to the other server, as a phone does that changes networks.
  #wander() {
    this.#client.disconnect();
    this.#rotate();
    this.#client.connect();
  }

  // -- the end

  // Wait until it has everything up to these offsets; note that it must have, whether or not it has.
  async settle(tops, within) {
    const there = ({ id, last, subscription }) => last >= tops[id] && subscription.state === 'subscribed';
    const well = await eventually(() => this.#parts.every(there), 'everything', within).catch(() => false);
    for (const { id } of this.#parts) this.#notes.write('settled', { conversation: id, ...(await this.#asked(id)) });
    return well;
  }

  // What the house says of a conversation when asked, at the end; nothing if it does not answer.
  async #asked(conversation) {
    try {
      const { data: list } = await this.#client.rpc('conversation.list', { limit: 500 });
      const { data: page } = await this.#client.rpc('conversation.members.list', { conversation, limit: 1000 });
      const { read, unread, title } = list.conversations.find(({ id }) => id === conversation) ?? {};
      return { read, unread, title, members: Object.fromEntries(page.members.map(({ user, role }) => [user, role])) };
    } catch {
      return {};
    }
  }

  // Leave.
  close() {
    this.#client.disconnect();
  }
}

// What is streamed, as a reply lists it: messages, and calls of tools under their own ids.
function unfinished(told) {
  const calls = (told?.underway ?? []).map((each) => ({ ...each, message: each.call ?? each.message ?? each.subagent }));
  return [...(told?.open ?? []), ...calls];
}
