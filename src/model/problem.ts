/**
 * What a user wrote wrong, as a value: it ends in Events, status, log lines and `tidegate check`, and never
 * stops the objects around it.
 */

export interface ObjectRef {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

/** Where an object was read from; only the manifests source knows. */
export interface FilePosition {
  readonly file: string;
  /** 1-based index of the document in the file. */
  readonly document: number;
  /** 1-based line. */
  readonly line: number;
}

export interface Problem {
  /** `error`: something the user asked for does not work. `warning`: it works, but probably not as meant. */
  readonly severity: 'error' | 'warning';
  /** Short CamelCase word, stable; becomes the reason of an Event. */
  readonly reason: ProblemReason;
  /** The object at fault; null when the text did not even become an object. */
  readonly object: ObjectRef | null;
  /** Path of the field inside the object, like `spec.rules[0].http.paths[1].backend.service.port`; '' for the whole. */
  readonly field: string;
  /** One sentence or two: the value, what was expected, what happens now. */
  readonly message: string;
  readonly position: FilePosition | null;
}

export type ProblemReason =
  | 'Unreadable' // a file or document that is not YAML/JSON, too large, not an object
  | 'Invalid' // a field with a value it may not have
  | 'DuplicateObject' // the same kind, namespace and name twice
  | 'UnknownClass' // spec.ingressClassName names no IngressClass
  | 'ServiceNotFound'
  | 'PortNotFound'
  | 'NoEndpoints'
  | 'SecretNotFound'
  | 'InvalidSecret'
  | 'CertificateExpired'
  | 'CertificateNotYetValid'
  | 'HostNotCovered' // the certificate named for a host is not for that host
  | 'UnsupportedBackend' // resource backends
  | 'UnsupportedProtocol'
  | 'Conflict' // another, older object owns this host and path
  | 'InvalidAnnotation'
  | 'Forbidden' // the API server does not let us read what we need
  | 'NameNotResolved' // ExternalName without an address
  | 'NoAddress' // no address is known at which Ingresses can be reached
  | 'HostNotOwned' // the host belongs to another namespace
  | 'UnsupportedParameters' // spec.parameters of an IngressClass
  | 'NoPool' // no address pool that a Service may use
  | 'PoolExhausted' // every address of the pools that a Service may use is taken
  | 'PoolOverlap' // an address pool has addresses that belong to something else
  | 'AddressUnavailable' // an address that was asked for is not to be had
  | 'OtherNamespace' // a kind that is read from one namespace only, in another one
  | 'InterfaceNotFound' // a node does not have an interface that it is to announce on
  | 'AddressInUse' // a host that is no speaker uses an address that is announced
  | 'NameRefused'; // ExternalName that is not allowed, or resolves to a forbidden range

/** `Ingress shop/web` — how an object is named in every message. */
export function describeObject(ref: ObjectRef): string {
  return ref.namespace === '' ? `${ref.kind} ${ref.name}` : `${ref.kind} ${ref.namespace}/${ref.name}`;
}

/** One line for logs and the terminal: position, severity, object, field, message. */
export function formatProblem(problem: Problem): string {
  const where = problem.position
    ? `${problem.position.file}:${problem.position.line} (document ${problem.position.document}): `
    : '';
  const what = problem.object ? `${describeObject(problem.object)}: ` : '';
  const field = problem.field === '' ? '' : `${problem.field}: `;
  return `${where}${problem.severity}: ${what}${field}${problem.message} [${problem.reason}]`;
}
