/** Destinations and mappings as the decision reads them; the account compiles them once. */
import type { Day } from '../audience/profile.ts';
import type { ConsentTerms } from './consent.ts';
import type { Template } from './macro.ts';

export type Platform = 'all' | 'browser' | 'android' | 'ios';

/** What every kind of destination has. */
interface Common {
  readonly id: number;
  readonly name: string;
  readonly active: boolean;
  readonly platform: Platform;
  /** Data export labels, as bits (see `account/document.ts` for their order). */
  readonly labels: number;
  readonly consent: ConsentTerms;
  /** Higher goes first. */
  readonly priority: number;
  /** At most `count` times in `hours` for one visitor. */
  readonly cap?: { readonly count: number; readonly hours: number };
  /** Sites that it is published to, or that it is kept from. */
  readonly publish: {
    readonly to: 'all_domains' | 'inclusion' | 'exclusion';
    readonly sites: ReadonlySet<number>;
  };
}

export interface UrlDestination extends Common {
  readonly kind: 'url';
  readonly tag: 'img' | 'iframe';
  readonly hideReferrer: boolean;
  /** Present where all mapped values go out in one call. */
  readonly serialized?: {
    readonly url: Template;
    readonly secureUrl: Template;
    readonly delimiter: string;
  };
}

export interface CookieDestination extends Common {
  readonly kind: 'cookie';
  readonly cookieName: string;
  /** Without the leading dot; empty: the page's own. */
  readonly domain: string;
  readonly ttlDays: number;
  /** Of the value, in bytes. */
  readonly maxSize: number;
  /** The one key, or undefined where each mapping has its own. */
  readonly singleKey: string | undefined;
  readonly keySeparator: string;
  readonly valueSeparator: string;
  /** Between the values of one key; undefined: each value repeats its key. */
  readonly serializationSeparator: string | undefined;
}

/** Its data leaves later, by its own sender. */
export interface ServerDestination extends Common {
  readonly kind: 'server';
  readonly transfer: RealtimeTransfer | FileTransfer;
  /** Whether it hears only of whom a page's call did not get through (`collect/fallback.ts`). */
  readonly isFallback: boolean;
}

/** A message as soon as a visitor enters or leaves a segment. */
export interface RealtimeTransfer {
  readonly kind: 'realtime';
  readonly endpointUrl: string;
  /** Whose id of the visitor is sent; where the visitor has none in it, the device id is. */
  readonly userDataSource: number | undefined;
  /** The account at the partner. */
  readonly clientId: string;
  /** Absent where messages are not signed; two keys while they are rotated. */
  readonly signature?: {
    readonly header: string;
    readonly algorithm: 'sha1' | 'sha256';
    readonly keys: readonly string[];
  };
  /** OAuth 2.0, client credentials; absent where messages carry no token. */
  readonly oauth?: {
    readonly tokenUrl: string;
    readonly clientId: string;
    readonly clientSecret: string;
  };
}

/** Files by schedule. */
export interface FileTransfer {
  readonly kind: 'file';
  readonly target: FileTarget;
  /** As for a message. */
  readonly userDataSource: number | undefined;
  /** The owner's name at the partner; empty: none. */
  readonly alias: string;
  /** Everybody, or what changed since the last run. */
  readonly syncMode: 'full' | 'iter';
  /** When to run, as a cron pattern in UTC; undefined: only when asked for. */
  readonly schedule: string | undefined;
  /** At most so many lines a file; undefined: one file, however long. */
  readonly splitLines: number | undefined;
  readonly compress: boolean;
}

export type FileTarget = FolderTarget | SftpTarget | S3Target;

/** A folder on the machine that delivers. */
export interface FolderTarget {
  readonly kind: 'folder';
  /** Below the folder that the operator allows. */
  readonly path: string;
}

export interface SftpTarget {
  readonly kind: 'sftp';
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Of the folder; without a leading slash it starts at the user's home. */
  readonly path: string;
  /** The server has one of these: fingerprints (`SHA256:…`), or keys in base64. */
  readonly hostKeys: readonly string[];
  readonly password: string | undefined;
  /** PEM or OpenSSH. */
  readonly privateKey: string | undefined;
  /** Of the private key. */
  readonly passphrase: string | undefined;
}

/** Amazon S3, or storage that is compatible with it. */
export interface S3Target {
  readonly kind: 's3';
  readonly bucket: string;
  /** What the names of all objects start with, with the slash at its end; empty: none. */
  readonly prefix: string;
  /** Of compatible storage, such as `https://storage.example`; undefined: Amazon's. */
  readonly endpoint: string | undefined;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export type Destination = UrlDestination | CookieDestination | ServerDestination;

/** One segment tied to one destination, with what is sent for it. */
export interface Mapping {
  readonly destination: Destination;
  /** The segment's place in the account. */
  readonly segment: number;
  /** The segment's id. */
  readonly sid: number;
  /** First and last day on which it is due. */
  readonly from: Day;
  readonly to: Day;
  readonly priority: number;
  /** What is sent: the value of a serialized URL or of a cookie. */
  readonly alias: string;
  /** The key of a cookie whose mappings have their own. */
  readonly key: string;
  /** The call of a URL destination that is not serialized. */
  readonly url?: Template;
  readonly secureUrl?: Template;
  /** Export controls of the segment's data sources, as bits that match the labels. */
  readonly restrictions: number;
}
