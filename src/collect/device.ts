/**
 * Signals about the visitor's device, read from the User-Agent. Source of the keys and of the form of
 * their values (lower case, versions with underscores): user guide, traits/trait-device-targeting.
 */
import Bowser from 'bowser';

/** Keys that are read from the User-Agent where a rule looks at them and the request has none. */
export const DEVICE_KEYS = [
  'd_device_vendor',
  'd_device_manufacturer',
  'd_device_model',
  'd_device_marketing_name',
  'd_device_hardware_type',
  'd_device_os_name',
  'd_device_os_version',
] as const;

export type Device = Readonly<Partial<Record<(typeof DEVICE_KEYS)[number], string>>>;

/** Longer ones are no browser's. */
const MAX_LENGTH = 1_024;
/** Reading one takes as long as a whole decision, and few make up most calls. */
const MAX_REMEMBERED = 5_000;
const remembered = new Map<string, Device>();

export function deviceOf(userAgent: string): Device {
  const known = remembered.get(userAgent);
  if (known) return known;
  const device = userAgent.length > MAX_LENGTH ? {} : read(userAgent);
  if (remembered.size >= MAX_REMEMBERED) remembered.clear();
  remembered.set(userAgent, device);
  return device;
}

const HARDWARE: Record<string, string> = { mobile: 'mobile phone' };

function read(userAgent: string): Device {
  if (userAgent === '') return {};
  const { os, platform } = Bowser.parse(userAgent);
  const lower = (text: string | undefined) => text?.toLowerCase();
  const type = lower(platform.type);
  return {
    d_device_vendor: lower(platform.vendor),
    d_device_manufacturer: lower(platform.vendor),
    d_device_model: lower(platform.model),
    d_device_marketing_name: lower(platform.model),
    d_device_hardware_type: type && (HARDWARE[type] ?? type),
    d_device_os_name: lower(os.name),
    d_device_os_version: os.version?.replaceAll('.', '_'),
  };
}
