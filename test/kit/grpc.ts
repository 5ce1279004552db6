/** A gRPC service without a proto file: messages are bytes, methods are what the tests call. */
import * as grpc from '@grpc/grpc-js';
import type { Scope } from './waiting.ts';

const bytes = (value: Buffer): Buffer => value;

function method(name: string, requestStream: boolean, responseStream: boolean) {
  return {
    path: `/tidegate.Echo/${name}`,
    requestStream,
    responseStream,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  };
}

const definition = {
  /** Gives back the message, with the request's metadata `x-*` in the response's, and a trailer. */
  unary: method('Unary', false, false),
  /** Joins all messages. */
  collect: method('Collect', true, false),
  /** Sends as many messages as the first byte says. */
  repeat: method('Repeat', false, true),
  /** Gives back each message as it comes. */
  chat: method('Chat', true, true),
  /** Fails before anything else, with a status and a message that needs encoding. */
  fail: method('Fail', false, false),
  /** Sends one message and fails. */
  failLate: method('FailLate', false, true),
  /** Never answers. */
  never: method('Never', false, false),
};

const LARGEST = { 'grpc.max_receive_message_length': 64 << 20, 'grpc.max_send_message_length': 64 << 20 };

export const FAILURE = 'no: 50 % "ü"';

export interface GrpcBackend {
  readonly port: number;
  /** Calls of `never` and `chat` that were cancelled. */
  cancelled: number;
  /** Calls so far. */
  calls: number;
  /** Ends at once. */
  kill(): void;
}

const echoed = (metadata: grpc.Metadata): grpc.Metadata => {
  const out = new grpc.Metadata();
  for (const key of Object.keys(metadata.getMap())) {
    if (key.startsWith('x-test')) for (const value of metadata.get(key)) out.add(key, value);
  }
  return out;
};

/** Starts the service on `port` (0: any), in cleartext unless told otherwise; stopped at the end of the scope. */
export async function startGrpcBackend(
  scope: Scope,
  port = 0,
  credentials = grpc.ServerCredentials.createInsecure(),
): Promise<GrpcBackend> {
  const server = new grpc.Server(LARGEST);
  const backend = { port: 0, cancelled: 0, calls: 0, kill: () => server.forceShutdown() };
  const watch = (call: { on(event: 'cancelled', listener: () => void): unknown }): void => {
    backend.calls++;
    call.on('cancelled', () => backend.cancelled++);
  };
  server.addService(definition, {
    unary: (call: grpc.ServerUnaryCall<Buffer, Buffer>, callback: grpc.sendUnaryData<Buffer>) => {
      watch(call);
      call.sendMetadata(echoed(call.metadata));
      const trailer = new grpc.Metadata();
      trailer.set('x-test-trailer-bin', Buffer.from([0, 255, 10]));
      callback(null, call.request, trailer);
    },
    collect: (call: grpc.ServerReadableStream<Buffer, Buffer>, callback: grpc.sendUnaryData<Buffer>) => {
      watch(call);
      const parts: Buffer[] = [];
      call.on('data', (part: Buffer) => parts.push(part));
      call.on('end', () => callback(null, Buffer.concat(parts)));
    },
    repeat: (call: grpc.ServerWritableStream<Buffer, Buffer>) => {
      watch(call);
      for (let i = 0; i < (call.request[0] ?? 0); i++) call.write(Buffer.from([i]));
      call.end();
    },
    chat: (call: grpc.ServerDuplexStream<Buffer, Buffer>) => {
      watch(call);
      call.on('data', (part: Buffer) => call.write(part));
      call.on('end', () => call.end());
      call.on('error', () => {});
    },
    fail: (call: grpc.ServerUnaryCall<Buffer, Buffer>, callback: grpc.sendUnaryData<Buffer>) => {
      watch(call);
      callback({ code: grpc.status.FAILED_PRECONDITION, details: FAILURE });
    },
    failLate: (call: grpc.ServerWritableStream<Buffer, Buffer>) => {
      watch(call);
      call.write(call.request);
      call.emit('error', { code: grpc.status.DATA_LOSS, details: FAILURE });
    },
    never: watch,
  } as unknown as grpc.UntypedServiceImplementation);
  backend.port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, credentials, (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  scope.after(() => server.forceShutdown());
  return backend;
}

type Unary = (
  request: Buffer,
  metadata: grpc.Metadata,
  options: grpc.CallOptions,
  callback: (error: grpc.ServiceError | null, value?: Buffer) => void,
) => grpc.ClientUnaryCall;

export interface EchoClient {
  readonly unary: Unary;
  readonly fail: Unary;
  readonly never: Unary;
  collect(
    callback: (error: grpc.ServiceError | null, value?: Buffer) => void,
  ): grpc.ClientWritableStream<Buffer>;
  repeat(request: Buffer): grpc.ClientReadableStream<Buffer>;
  failLate(request: Buffer): grpc.ClientReadableStream<Buffer>;
  chat(): grpc.ClientDuplexStream<Buffer, Buffer>;
}

/** A client of the service at 127.0.0.1:`port` that calls it `authority`; closed at the end of the scope. */
export function grpcClient(
  scope: Scope,
  port: number,
  authority: string,
  credentials: grpc.ChannelCredentials = grpc.credentials.createInsecure(),
): EchoClient {
  const Client = grpc.makeGenericClientConstructor(definition, 'Echo');
  const client = new Client(`127.0.0.1:${port}`, credentials, {
    ...LARGEST,
    'grpc.default_authority': authority,
    'grpc.ssl_target_name_override': authority,
  });
  scope.after(() => client.close());
  return client as unknown as EchoClient;
}
