import type { PortRef, Service, ServicePort } from '../../model/snapshot.ts';

/**
 * The Service port that a backend names, by number or by name, never by targetPort (Ingress v1). Where TCP
 * and UDP share a number the TCP port is meant.
 */
export function findServicePort(service: Service, wanted: PortRef): ServicePort | null {
  const matching = service.ports.filter((port) =>
    wanted.kind === 'number' ? port.port === wanted.number : port.name === wanted.name,
  );
  return matching.find((port) => port.protocol === 'TCP') ?? matching[0] ?? null;
}

/** The reference as it was written: number or name. */
export function portText(port: PortRef): string {
  return port.kind === 'number' ? `${port.number}` : port.name;
}
