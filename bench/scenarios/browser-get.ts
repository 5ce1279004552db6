import { SMALL_BODY } from '../backends/nginx-backend.ts';
import { expectBody } from '../load/verify.ts';
import { runWrk } from '../load/wrk.ts';
import type { Scenario } from './scenario.ts';
import { runSideBySide } from './side-by-side.ts';

/** With Host, 13 fields and about 700 bytes, as Chrome sends them to a page it has visited before. */
const HEADERS: readonly string[] = [
  'Connection: keep-alive',
  'Cache-Control: max-age=0',
  'sec-ch-ua: "Chromium";v="138", "Not)A;Brand";v="8"',
  'sec-ch-ua-mobile: ?0',
  'Upgrade-Insecure-Requests: 1',
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36',
  'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8',
  'Sec-Fetch-Site: same-origin',
  'Sec-Fetch-Mode: navigate',
  'Accept-Encoding: gzip, deflate, br, zstd',
  'Accept-Language: en-GB,en;q=0.9,de-DE;q=0.8',
  'Cookie: session=6f1c2a9e0b7d4f53a8e1; theme=dark; consent=necessary,statistics; cart=3a91f0c2',
];

export const browserGet: Scenario = {
  name: 'browser-get',
  title: "A browser's GET, keep-alive",
  description: `A head of ${HEADERS.length + 1} fields and about 700 bytes on 64 connections, answers of 67 bytes, no access log.`,
  run: (context) =>
    runSideBySide(context, {
      title: "A browser's GET",
      unit: 'request',
      series: 'bare',
      bulk: false,
      upstream: context.backend.port,
      targets: [],
      verify: (origin) => expectBody(origin, Buffer.from(SMALL_BODY)),
      load: (origin, seconds) =>
        runWrk({
          url: `${origin}/articles/2026/tides`,
          seconds,
          connections: 64,
          headers: HEADERS,
          minBytes: SMALL_BODY.length,
        }),
    }),
};
