/**
 * What Redis does for a visit, in one call for many visits, and the bytes on the way.
 *
 * The value of a visitor, under `PREFIX{DEVICE ID}`: version u8, state u8 (1: newcomer, 2: opted out,
 * 4: refused), day last seen u16, generation u32, length when last compacted u32, then records
 * (`record.ts`).
 * Within one generation a value only grows, so whoever has read it may later replace what was read by
 * something shorter, and what others have appended meanwhile stays.
 *
 * Entry of a call: flags u8, day u16, device id (38 digits), mark, then, each with its length u32: what
 * the visits add (not kept of who has opted out, nor of who has refused before and says nothing else) and
 * what is remembered of earlier decisions; then the number of aliases u8 and each with its length u32.
 *
 * Reply, for each entry: status u8, device id (38 digits), length u32, the value as it was before.
 */
import { MARK_BYTES, type Mark, readU32, type Writer, writeMark } from '../record.ts';

export const VERSION = 1;
export const HEADER = 12;

/** States of a visitor; a newcomer's is 1. */
export const OPTED_OUT = 2;
export const REFUSED = 4;

/** Flags of an entry. */
export const NEWCOMER = 1;
export const OPT_OUT = 2;
/** The device id is only for who is not found by an alias. */
export const FALLBACK = 4;
/** The visitor comes onto the agenda. */
export const EXAMINE = 8;
/** After all of it, the visitor has refused that anything be added; or may be added to. */
export const REFUSES = 16;
export const CONSENTS = 32;

/** Statuses of a reply. */
export const ABSENT = 0;
export const FOUND = 1;
/** The entry was there already: an earlier try had arrived. */
export const REPEATED = 2;
export const UNREADABLE = 3;

export const ID_DIGITS = 38;
const DAY = 86_400;

export interface ScriptOptions {
  /** Whether the script may touch the keys of one slot only. */
  readonly isCluster: boolean;
  readonly prefix: string;
  readonly profileDays: number;
  readonly newcomerDays: number;
}

/** The key of a visitor. What else is kept of one shares its hash tag. */
export const visitorKey = (prefix: string, deviceId: string) => `${prefix}{${deviceId}}`;

/**
 * The key of an agenda: a sorted set of device ids, packed, by when to examine them, in Unix microseconds
 * by Redis' clock; by time alone, with `BY_TIME`. In a Cluster each slot has one, since a visit may touch
 * no other.
 */
export const agendaKey = (prefix: string, tag = 'all') => `${prefix}agenda:{${tag}}`;

/** Added to the scores of those whom time alone brings: they stand after all whom a visit has brought. */
export const BY_TIME = 2 ** 52;

/** The key of an alias; its value is a device id. */
export const aliasKeyOf = (prefix: string, alias: string) => `${prefix}id:${alias}`;

/** How long an alias and a profile are kept; a day more, since days are counted in whole ones. */
export const secondsOf = (days: number) => (days + 1) * DAY;

/** What the scripts share, as Lua. */
export const PREAMBLE = `
local byte, sub, find, char = string.byte, string.sub, string.find, string.char
local pack, unpack_, call = struct.pack, struct.unpack, redis.call
`;

/** Puts a visitor on the agenda, whose key is the last one where there are keys. */
export const examineFunction = (prefix: string) => `
local agenda, now = KEYS[1] and KEYS[#KEYS] or '${agendaKey(prefix)}', nil
local function examine(id)
  if not now then
    local time = call('TIME')
    now = time[1] .. string.format('%06d', time[2])
  end
  local packed = string.gsub(id, '(%d)(%d)', function(a, b) return char(a * 16 + b) end)
  call('ZADD', agenda, now, packed)
end
`;

/**
 * Takes a visit's entries, in one blob. Aliases are followed only where the call may touch any key,
 * that is, not in a Cluster. There, the keys are the visitor's and, for one to examine, the agenda's.
 */
export const visitScript = (
  options: ScriptOptions,
) => `${PREAMBLE}${examineFunction(options.prefix)}
local prefix = '${options.prefix}'
local profileTtl, newcomerTtl = ${secondsOf(options.profileDays)}, ${secondsOf(options.newcomerDays)}
local blob, at, replies = ARGV[1], 1, {}

local function has(flags, flag) return math.floor(flags / flag) % 2 == 1 end

local function keep(key, id)
  if redis.pcall('GET', key) == id then call('PERSIST', key) end
end
local sizes = { [1] = 9, [2] = 3, [5] = 15, [6] = 5, [7] = 5, [8] = 3, [9] = 11, [11] = 8, [12] = 7 }
-- Of who opts out only the cookies that are still to be removed, and the marks, stay.
local cookies = { [6] = true, [7] = true, [9] = true }
-- Of who has refused it, nothing is added but that they were seen, cookies, and what they say of consent.
local statements = { [2] = true, [6] = true, [7] = true, [10] = true, [11] = true, [12] = true, [13] = true }

local function sizeAt(records, i)
  local tag = byte(records, i)
  if tag == 3 then return 3 + unpack_('<H', records, i + 1)
  elseif tag == 4 then return 7 + unpack_('<H', records, i + 5)
  elseif tag == 10 or tag == 13 then
    local size = 14 + unpack_('<H', records, i + 12)
    return tag == 10 and size or size + 1 + 5 * byte(records, i + size)
  end
  return sizes[tag]
end

-- Whether who has all these records has refused it; of two statements the later one counts.
local function refusedIn(records, i)
  local refused, last = false, 0
  while i <= #records do
    local tag, size = byte(records, i), sizeAt(records, i)
    if not size then return refused end
    if tag == 10 or tag == 12 or tag == 13 then
      local low, high = unpack_('<I4H', records, i + (tag == 12 and 1 or 6))
      local at = high * 4294967296 + low
      if at >= last then
        if tag ~= 12 then refused, last = has(byte(records, i + 1), 2), at
        elseif refused then refused, last = false, at end
      end
    end
    i = i + size
  end
  return refused
end

-- Only records of these kinds; where an id is given, the aliases among the others that lead there do for ever.
local function only(tags, records, from, id)
  local kept, i = {}, from
  while i <= #records do
    local tag, size = byte(records, i), sizeAt(records, i)
    if not size then return sub(records, from) end
    ${
      options.isCluster
        ? ''
        : `if id and (tag == 3 or tag == 4) then
      local source = tag == 4 and unpack_('<I4', records, i + 1) or 0
      local alias = sub(records, i + (tag == 4 and 7 or 3), i + size - 1)
      keep(prefix .. 'id:' .. string.format('%d', source) .. '\\1' .. alias, id)
    end`
    }
    if tags[tag] then kept[#kept + 1] = sub(records, i, i + size - 1) end
    i = i + size
  end
  return table.concat(kept)
end

local function stateOf(id)
  local state = redis.pcall('GETRANGE', prefix .. '{' .. id .. '}', 1, 1)
  return type(state) == 'string' and #state == 1 and byte(state) or 0
end
local function optedOut(id) return has(stateOf(id), 2) end

-- Whom aliases lead to. Who has opted out by one id has, whatever other ids come with it.
local function follow(id, fallback, aliases, consents)
  local found, linked = not fallback and id or nil, {}
  for i, alias in ipairs(aliases) do
    local other = redis.pcall('GET', prefix .. 'id:' .. alias)
    if type(other) == 'table' then return id, other.err end
    if other and #other ~= ${ID_DIGITS} then return id, 'an id leads to no device id' end
    linked[i] = other
    if other and other ~= found and optedOut(other) then
      found = other
      break
    end
    found = found or other or nil
  end
  found = found or id
  local state = stateOf(found)
  local out, refused = has(state, 2), has(state, 4) and not consents
  for i, alias in ipairs(aliases) do
    local key = prefix .. 'id:' .. alias
    if out then
      if linked[i] == found then call('PERSIST', key) end
    elseif linked[i] == found then call('EXPIRE', key, profileTtl)
    elseif not refused then call('SET', key, found, 'EX', profileTtl) end
  end
  return found
end

while at <= #blob do
  local flags, day, id, mark, added, remembered, count
  flags, day, id, mark, added, remembered, count, at =
    unpack_('<BHc${ID_DIGITS}c${MARK_BYTES}I4c0I4c0B', blob, at)
  local aliases = {}
  for i = 1, count do aliases[i], at = unpack_('<I4c0', blob, at) end
  local newcomer, optOut = has(flags, ${NEWCOMER}), has(flags, ${OPT_OUT})
  local refuses, consents = has(flags, ${REFUSES}), has(flags, ${CONSENTS})
  local wrong
  if count > 0 then
    id, wrong = follow(id, has(flags, ${FALLBACK}), aliases, refuses or consents)
    if optOut and not wrong then
      for _, alias in ipairs(aliases) do call('SET', prefix .. 'id:' .. alias, id) end
    end
  end
  local key = prefix .. '{' .. id .. '}'
  local value = redis.pcall('GET', key)
  local status = ${FOUND}
  if type(value) == 'table' then wrong = value.err
  elseif value and #value < ${HEADER} then wrong = 'no visitor is as short as ' .. #value .. ' bytes' end
  if not wrong and has(flags, ${EXAMINE}) then examine(id) end
  if wrong then
    status, value = ${UNREADABLE}, wrong
  elseif not value then
    status, value = ${ABSENT}, ''
    local records = remembered .. added
    if #records > 0 then
      local state = (newcomer and 1 or 0) + (optOut and 2 or refuses and 4 or 0)
      local header = pack('<BBHc4I4', ${VERSION}, state, day, sub(mark, 8, 11), ${HEADER})
      if state == 2 then call('SET', key, header .. mark .. records)
      else call('SET', key, header .. mark .. records, 'EX', newcomer and newcomerTtl or profileTtl) end
    end
  else
    local state, seen = unpack_('<BH', value, 2)
    local was, out, refused = state, has(state, 2), has(state, 4)
    if not newcomer and state % 2 == 1 then state = state - 1 end
    local records = remembered .. added
    if out then records = only(cookies, remembered, 1, id)
    elseif refused and not refuses and not consents and not optOut then records = only(statements, records, 1) end
    if #records > 0 then
      if find(value, mark, ${HEADER + 1}, true) then status = ${REPEATED}
      elseif optOut and not out then
        state = state + 2 - (refused and 4 or 0)
        local kept = sub(value, 1, ${HEADER}) .. only(cookies, value, ${HEADER + 1}, id)
        call('SET', key, kept .. mark .. records, 'KEEPTTL')
        -- The length is another one now: nobody may replace what was read before.
        call('SETRANGE', key, 4, sub(mark, 8, 11))
      else
        call('APPEND', key, mark .. records)
        if not out and (refuses and not refused or consents and refused) then
          -- What comes late may be older than what there is.
          local now = refusedIn(value .. mark .. records, ${HEADER + 1})
          if now ~= refused then state = state + (now and 4 or -4) end
        end
      end
    end
    if state ~= was or day > seen then
      call('SETRANGE', key, 1, pack('<BH', state, math.max(day, seen)))
      if state == 2 then call('PERSIST', key)
      else call('EXPIRE', key, state % 2 == 1 and newcomerTtl or profileTtl) end
    end
  end
  replies[#replies + 1] = char(status) .. id .. pack('<I4', #value)
  replies[#replies + 1] = value
end
return table.concat(replies)
`;

/** Replaces what was read of a value by something shorter, if nobody else has. */
export const COMPACT_SCRIPT = `
local value = redis.call('GET', KEYS[1])
local generation, length, new, records = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
if not value or #value < length then return 0 end
if string.byte(value) ~= ${VERSION} or string.sub(value, 5, 8) ~= generation then return 0 end
local compact = string.sub(value, 1, 4) .. new .. struct.pack('<I4', ${HEADER} + #records) .. records
redis.call('SET', KEYS[1], compact .. string.sub(value, length + 1), 'KEEPTTL')
return 1
`;

/** What an entry starts with; the sections, and the aliases, follow. */
export function writeHead(
  writer: Writer,
  flags: number,
  day: number,
  deviceId: string,
  mark: Mark,
): void {
  writer.u8(flags);
  writer.u16(day);
  writer.ascii(deviceId);
  writeMark(writer, mark);
}

/** Starts a section, whose length stands before it; `closeSection` ends it. */
export function openSection(writer: Writer): number {
  writer.u32(0);
  return writer.length;
}

export function closeSection(writer: Writer, start: number): void {
  const end = writer.length;
  writer.length = start - 4;
  writer.u32(end - start);
  writer.length = end;
}

export function writeSection(writer: Writer, write: () => void): void {
  const start = openSection(writer);
  write();
  closeSection(writer, start);
}

export function writeAliases(writer: Writer, aliases: readonly string[]): void {
  writer.u8(aliases.length);
  for (const alias of aliases) {
    writeSection(writer, () => writer.raw(utf8.encode(alias)));
  }
}

const utf8 = new TextEncoder();

/** What Redis says to an entry. */
export class Reply {
  readonly status: number;
  /** The value as it was before; what was wrong, in words, where the status says so. */
  readonly value: Uint8Array;
  readonly #bytes: Buffer;
  readonly #at: number;

  constructor(bytes: Buffer, at: number) {
    this.status = bytes[at];
    this.#bytes = bytes;
    this.#at = at + 1;
    const start = at + 5 + ID_DIGITS;
    this.value = bytes.subarray(start, start + readU32(bytes, start - 4));
  }

  get deviceId(): string {
    return this.#bytes.toString('latin1', this.#at, this.#at + ID_DIGITS);
  }

  /** Where the next one starts. */
  get end(): number {
    return this.#at + ID_DIGITS + 4 + this.value.length;
  }
}
