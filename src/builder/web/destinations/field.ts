/** Ties an input to a field of a destination. */
import type { ChangeEvent } from 'react';
import type { Destination } from './destination.ts';
import type { StepProps } from './editor.tsx';

type Named<Value> = {
  [Name in keyof Destination]-?: NonNullable<Destination[Name]> extends Value ? Name : never;
}[keyof Destination];

/** For texts: `<TextInput label="Name" {...text(props, 'name')} />`. */
export const text = ({ destination, set, problems }: StepProps, name: Named<string>) => ({
  value: destination[name] ?? '',
  error: problems.at(name),
  onChange: (event: ChangeEvent<HTMLInputElement | HTMLTextAreaElement>) =>
    set({ [name]: event.currentTarget.value }),
});

/** For whole numbers; empty is none. */
export const number = ({ destination, set, problems }: StepProps, name: Named<number>) => ({
  value: destination[name] ?? '',
  error: problems.at(name),
  allowDecimal: false,
  onChange: (value: number | string) => set({ [name]: value === '' ? null : Number(value) }),
});

type SecretName = 'oauth' | 'credentials';
type Part<Name extends SecretName> = keyof NonNullable<Destination[Name]> & string;

/** Whether there is something in a secret that is kept and not shown. */
export function isKept<Name extends SecretName>(
  destination: Destination,
  name: Name,
  part?: Part<Name>,
): boolean {
  const secret = destination[name] as Readonly<Record<string, unknown>> | null | undefined;
  if (secret === null) return false;
  return (destination.notShown ?? []).some((path) => {
    const [field, own] = path.split('.');
    return field === name && (!part || own === part) && secret?.[own] !== null;
  });
}

/** For a part of a secret; empty is as it was. */
export const secret = <Name extends SecretName>(
  { destination, set, problems }: StepProps,
  name: Name,
  part: Part<Name>,
) => {
  const written = destination[name] as Readonly<Record<string, string | null>> | null | undefined;
  return {
    value: written?.[part] ?? '',
    placeholder: isKept(destination, name, part) ? KEPT : undefined,
    error: problems.at(`${name}.${part}`),
    autoComplete: 'off',
    spellCheck: false,
    onChange: (event: ChangeEvent<HTMLInputElement | HTMLTextAreaElement>) =>
      set({ [name]: { ...written, [part]: event.currentTarget.value } }),
  };
};

/** What stands in an empty field where there is something. */
export const KEPT = 'Kept, not shown';

/** For one of several; what is not chosen stands for what the server takes then. */
export const choice = (
  { destination, set, problems }: StepProps,
  name: Named<string>,
  otherwise: string,
) => ({
  value: destination[name] ?? otherwise,
  error: problems.at(name),
  onChange: (value: string | null) => set({ [name]: value ?? otherwise }),
});

/** For yes or no. */
export const flag = ({ destination, set }: StepProps, name: Named<boolean>, otherwise = false) => ({
  checked: destination[name] ?? otherwise,
  onChange: (event: ChangeEvent<HTMLInputElement>) => set({ [name]: event.currentTarget.checked }),
});
