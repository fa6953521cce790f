// A process with devices of the campaign on the official JavaScript client: node device_process.mjs <plan.json>
// Started by ../crowd.py, with the same plan, orders and answers as ../device_process.py.

import { mkdirSync, readFileSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { token } from '../../e2e/js/official.mjs';
import { Device } from './device.mjs';
import { Notes } from './notes.mjs';

const plan = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const folder = `${plan.folder}/devices`;
mkdirSync(folder, { recursive: true });

const devices = plan.devices.map(({ name, user, servers, conversations, talks }) => {
  const fresh = () => token(user, { ttl: 3600, secret: plan.secret });
  const notes = new Notes(`${folder}/${name}.jsonl`);
  const device = new Device(name, user, servers, fresh, notes, `${plan.seed} ${name} ${plan.life}`);
  device.begin(conversations, plan.life, plan.alone);
  if (talks) device.talk(plan.pause_s, { wanders: plan.wanders });
  return device;
});

const orders = {
  quiet: () => devices.forEach((device) => device.quiet()),
  outboxes: () => ({ waiting: devices.reduce((sum, device) => sum + device.outbox, 0) }),
  settle: async ({ tops, within_s: within }) => {
    const settled = await Promise.all(devices.map((device) => device.settle(tops, within * 1000)));
    return { well: settled.every(Boolean) };
  },
  end: () => {},
};

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  const answer = await orders[order.do](order);
  writeSync(1, `${JSON.stringify({ did: order.do, ...answer })}\n`);
  if (order.do === 'end') break;
}
devices.forEach((device) => device.close());
process.exit(0);
