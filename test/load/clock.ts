/** One clock for all processes of the load test: milliseconds of the machine's monotonic clock. */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
