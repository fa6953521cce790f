// The official client as it comes, what docs/clients.md shows, and tokens: shared by the tests here and by the
// devices of tests/chaos/js. The packages are installed here, so the client is imported from here.

import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';

export { Centrifuge } from 'centrifuge';

// What docs/clients.md shows, as it stands there.
const page = readFileSync(new URL('../../../docs/clients.md', import.meta.url), 'utf8');
const shown = [...page.matchAll(/```javascript\n([^]*?)```/g)].map(([, code]) => code).join('\n');
export const { Outbox, Shown, uuid7, who } = await import(`data:text/javascript,${encodeURIComponent(shown)}`);

export function token(user, { ttl = 600, secret = process.env.SECRET, ...claims } = {}) {
  const now = Date.now() / 1000;
  const text = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${text({ alg: 'HS256', typ: 'JWT' })}.${text({ sub: user, iat: now, exp: now + ttl, ...claims })}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

// Throws when the condition does not hold in time; within: milliseconds.
export async function eventually(condition, what, within = 20_000) {
  const deadline = Date.now() + within;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
