// The job with undici, alone or behind p-queue or bottleneck.
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { parseArgs } from 'node:util';

import Bottleneck from 'bottleneck';
import PQueue from 'p-queue';
import { Pool } from 'undici';

const { values } = parseArgs({
  options: {
    url: { type: 'string' },
    pages: { type: 'string', default: '1000' },
    'in-flight': { type: 'string', default: '16' },
    job: { type: 'string', default: 'fetch' },
    output: { type: 'string', default: '/dev/null' },
    limiter: { type: 'string', default: 'none' },
  },
});
const pages = Number(values.pages);
const inFlight = Number(values['in-flight']);
const target = new URL(values.url);

// Each lets as many requests be in flight and has a rate that is out of reach.
const limiters = {
  none: () => (work) => work(),
  'p-queue': () => {
    const queue = new PQueue({ concurrency: inFlight, intervalCap: 1e9, interval: 1000 });
    return (work) => queue.add(work);
  },
  bottleneck: () => {
    const limiter = new Bottleneck({
      maxConcurrent: inFlight,
      reservoir: 1e9,
      reservoirRefreshAmount: 1e9,
      reservoirRefreshInterval: 250,
    });
    return (work) => limiter.schedule(work);
  },
};
const limited = limiters[values.limiter]();

const pool = new Pool(target.origin, { connections: inFlight, pipelining: 1 });
const output = openSync(values.output, 'w');
const done = { pages: 0, records: 0, bytes: 0 };

async function fetchPage(number) {
  const path = `${target.pathname}?page=${number}`;
  const { statusCode, body } = await pool.request({ method: 'GET', path });
  if (statusCode !== 200) throw new Error(`status ${statusCode}`);
  return body.text();
}

function take(text) {
  done.pages += 1;
  done.bytes += text.length;
  if (values.job === 'fetch') return;
  const { results } = JSON.parse(text);
  done.records += results.length;
  if (values.job !== 'ndjson') return;
  let lines = '';
  for (const record of results) lines += `${JSON.stringify(record)}\n`;
  writeSync(output, lines);
}

let next = 0;
async function work() {
  while (next < pages) {
    const number = next++;
    take(await limited(() => fetchPage(number)));
  }
}

const peakRss = () => Number(/VmHWM:\s*(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);

const began = performance.now();
const before = process.cpuUsage();
await Promise.all(Array.from({ length: inFlight }, work));
const { user, system } = process.cpuUsage(before);
console.log(
  JSON.stringify({
    cpu_seconds: (user + system) / 1e6,
    wall_seconds: (performance.now() - began) / 1e3,
    pages: done.pages,
    records: done.records,
    bytes: done.bytes,
    peak_rss_kib: peakRss(),
  }),
);
closeSync(output);
process.exit(0); // a limiter's own timer would keep the program
