/** The static and the dynamic table of HPACK (RFC 7541 2.3 and 4, appendix A). */
import { type Field, makeField } from './field.ts';

/** `name` or `name=value`, in the order of appendix A. */
const STATIC_TEXT =
  ':authority,:method=GET,:method=POST,:path=/,:path=/index.html,:scheme=http,:scheme=https,:status=200,' +
  ':status=204,:status=206,:status=304,:status=400,:status=404,:status=500,accept-charset,' +
  'accept-encoding=gzip; deflate,accept-language,accept-ranges,accept,access-control-allow-origin,age,allow,' +
  'authorization,cache-control,content-disposition,content-encoding,content-language,content-length,' +
  'content-location,content-range,content-type,cookie,date,etag,expect,expires,from,host,if-match,' +
  'if-modified-since,if-none-match,if-range,if-unmodified-since,last-modified,link,location,max-forwards,' +
  'proxy-authenticate,proxy-authorization,range,referer,refresh,retry-after,server,set-cookie,' +
  'strict-transport-security,transfer-encoding,user-agent,vary,via,www-authenticate';

/** Index 0 is not used (RFC 7541 6.1). */
export const STATIC: readonly Field[] = [
  makeField('', ''),
  ...STATIC_TEXT.split(',').map((entry) => {
    const [name = '', value = ''] = entry.split('=');
    return makeField(name, value.replace(';', ','));
  }),
];
export const STATIC_COUNT = STATIC.length - 1;

/** What we let a client's encoder use: the default of SETTINGS_HEADER_TABLE_SIZE. */
export const TABLE_BYTES = 4096;
/** An entry counts 32 bytes at least. */
const CAPACITY = TABLE_BYTES / 32;

export class DynamicTable {
  /** A ring: the newest entry is at `#newest`. */
  readonly #entries: (Field | null)[] = new Array(CAPACITY).fill(null);
  #newest = 0;
  #count = 0;
  #size = 0;
  #limit = TABLE_BYTES;

  /** The entry added `age` entries ago; null when it is not there. */
  get(age: number): Field | null {
    if (age >= this.#count) return null;
    return this.#entries[(this.#newest - age + CAPACITY) % CAPACITY]!;
  }

  add(field: Field): void {
    this.#evict(this.#limit - field.size);
    // One that is larger than the table empties it and is not kept (RFC 7541 4.4).
    if (field.size > this.#limit) return;
    this.#newest = (this.#newest + 1) % CAPACITY;
    this.#entries[this.#newest] = field;
    this.#count++;
    this.#size += field.size;
  }

  /** A size update of the encoder, at most {@link TABLE_BYTES}. */
  resize(limit: number): void {
    this.#limit = limit;
    this.#evict(limit);
  }

  #evict(room: number): void {
    while (this.#count > 0 && this.#size > room) {
      const oldest = (this.#newest - this.#count + 1 + CAPACITY) % CAPACITY;
      this.#size -= this.#entries[oldest]!.size;
      this.#entries[oldest] = null;
      this.#count--;
    }
  }
}
