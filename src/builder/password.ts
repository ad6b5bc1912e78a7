/** Passwords: what may be one, how they are kept, how they are checked. */
import { argon2, randomBytes, randomInt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

/** OWASP's advice for argon2id: 19 MiB, twice over. */
const STRENGTH = { memory: 19 * 1024, passes: 2, parallelism: 1 } as const;
const TAG_LENGTH = 32;
const SALT_LENGTH = 16;

/**
 * So many hashes are computed at a time: each takes 19 MiB and one of the four threads that Node
 * has for files and the store, too.
 */
const AT_ONCE = 2;

const MIN_LENGTH = 12;
const MAX_LENGTH = 1_000;

/** What may not be a password, said so that a person can mend it; undefined where it may be one. */
export function problemOf(password: string): { wrong: string; instead: string } | undefined {
  if (password.length > MAX_LENGTH) {
    return { wrong: 'too long', instead: `write at most ${MAX_LENGTH} characters` };
  }
  if ([...password.normalize('NFKC')].length < MIN_LENGTH) {
    const instead = `write at least ${MIN_LENGTH} characters: several words are easy to remember`;
    return { wrong: 'too short', instead };
  }
  return undefined;
}

/** What is kept of a password: a PHC string, with the parameters that it was made with. */
export async function hashOf(password: string): Promise<string> {
  const salt = randomBytes(SALT_LENGTH);
  const tag = await derive(password, salt, STRENGTH, TAG_LENGTH);
  const { memory, passes, parallelism } = STRENGTH;
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${base64(salt)}$${base64(tag)}`;
}

/**
 * Whether it is the password that was hashed.
 *
 * @param hash undefined where there is nobody: it takes the same time, and is never right
 */
export async function isPassword(password: string, hash: string | undefined): Promise<boolean> {
  const { strength, salt, tag } = read(hash ?? NOBODY);
  // What is too long to be one is as much work as any other.
  const derived = await derive(password.slice(0, MAX_LENGTH), salt, strength, tag.length);
  const isRight = timingSafeEqual(derived, tag);
  return isRight && hash !== undefined && password.length <= MAX_LENGTH;
}

/** Whether it was made with less than hashes are made with today. */
export function isWeak(hash: string): boolean {
  const { memory, passes } = read(hash).strength;
  return memory < STRENGTH.memory || passes < STRENGTH.passes;
}

const CONSONANTS = 'bdfghjklmnprstvz';
const VOWELS = 'aiou';
const WORDS = 6;

/** A password that is easily read out, such as `lusab-babad-gutih-tugad-mudof-sakat`: 96 bits. */
export function oneTimePassword(): string {
  const one = (letters: string) => letters[randomInt(letters.length)];
  const word = () =>
    [CONSONANTS, VOWELS, CONSONANTS, VOWELS, CONSONANTS].map((letters) => one(letters)).join('');
  return Array.from({ length: WORDS }, word).join('-');
}

interface Strength {
  /** KiB. */
  readonly memory: number;
  readonly passes: number;
  readonly parallelism: number;
}

/** The hash of nothing that anybody could know. */
const NOBODY = `$argon2id$v=19$m=${STRENGTH.memory},t=${STRENGTH.passes},p=${STRENGTH.parallelism}$${base64(randomBytes(SALT_LENGTH))}$${base64(randomBytes(TAG_LENGTH))}`;

const PHC = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([\w+/]+)\$([\w+/]+)$/;

function read(hash: string): { strength: Strength; salt: Buffer; tag: Buffer } {
  const parts = PHC.exec(hash);
  if (!parts) throw new Error('what is kept of a password is no argon2id hash');
  const [memory, passes, parallelism] = parts.slice(1, 4).map(Number);
  const [salt, tag] = parts.slice(4).map((text) => Buffer.from(text, 'base64'));
  return { strength: { memory, passes, parallelism }, salt, tag };
}

function base64(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}

const argon2Async = promisify(argon2);

let running = 0;
const waiting: (() => void)[] = [];

async function derive(
  password: string,
  nonce: Buffer,
  strength: Strength,
  tagLength: number,
): Promise<Buffer> {
  if (running === AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
  else running++;
  try {
    // The same characters may be typed in several ways.
    const message = password.normalize('NFKC');
    return await argon2Async('argon2id', { message, nonce, tagLength, ...strength });
  } finally {
    // Who waits takes the place over, so that nobody else gets in between.
    const next = waiting.shift();
    if (next) next();
    else running--;
  }
}
