/** Which codec speaks to an endpoint. */
import type { Connector } from '../exchange/dataplane.ts';
import { connectHttp1 } from '../http1/client.ts';
import { connectHttp2 } from '../http2/client-connection.ts';

export const connectUpstream: Connector = (dataplane, endpoint, exchange) =>
  endpoint.protocol === 'http2'
    ? connectHttp2(dataplane, endpoint, exchange)
    : connectHttp1(dataplane, endpoint, exchange);
