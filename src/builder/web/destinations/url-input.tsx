/** An address with macros, which can be put in from a list. */
import { ActionIcon, Menu, Text, Textarea, Tooltip } from '@mantine/core';
import { IconVariablePlus } from '@tabler/icons-react';
import { useRef } from 'react';
import classes from './url-input.module.css';

/** What each macro becomes, in a marketer's words. */
export const MACROS: readonly { macro: string; becomes: string }[] = [
  { macro: '%ALIAS%', becomes: 'the value of the segment, or of all of them' },
  { macro: '%DID%', becomes: 'Switchyard’s id of the device' },
  { macro: '%MCID%', becomes: 'the Experience Cloud id (ECID)' },
  { macro: '%DPID_1%', becomes: 'the visitor’s id in data source 1: write the number you need' },
  { macro: '%REGION%', becomes: 'the region id' },
  { macro: '%HTTP_PROTO%', becomes: 'http or https, as the page' },
  { macro: '%RND%', becomes: 'a random number, so that nothing is cached' },
  { macro: '%TIMESTAMP%', becomes: 'the time, in seconds since 1970' },
  // biome-ignore-start lint/suspicious/noTemplateCurlyInString: these are macros, not placeholders
  { macro: '${GDPR}', becomes: '1 if the GDPR applies, else 0' },
  { macro: '${GDPR_CONSENT_1}', becomes: 'the TCF consent string, for vendor 1' },
  { macro: '${GPP}', becomes: 'the GPP string' },
  { macro: '${US_PRIVACY}', becomes: 'the US privacy string' },
  // biome-ignore-end lint/suspicious/noTemplateCurlyInString: these are macros, not placeholders
];

interface UrlInputProps {
  readonly label: string;
  readonly description?: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly error?: string;
  readonly placeholder?: string;
  readonly isLabelHidden?: boolean;
}

export function UrlInput(props: UrlInputProps) {
  const { label, description, value, onChange, error, placeholder, isLabelHidden } = props;
  const area = useRef<HTMLTextAreaElement>(null);
  const insert = (macro: string) => {
    const { selectionStart = value.length, selectionEnd = value.length } = area.current ?? {};
    onChange(value.slice(0, selectionStart) + macro + value.slice(selectionEnd));
    const at = selectionStart + macro.length;
    // After what is shown has caught up, and the menu has given the focus back.
    setTimeout(() => {
      area.current?.focus();
      area.current?.setSelectionRange(at, at);
    }, 50);
  };
  return (
    <Textarea
      ref={area}
      label={isLabelHidden ? undefined : label}
      aria-label={isLabelHidden ? label : undefined}
      description={description}
      placeholder={placeholder}
      value={value}
      error={error}
      autosize
      minRows={1}
      maxRows={6}
      spellCheck={false}
      classNames={{ input: classes.address }}
      // An address is one line, however it is pasted.
      onChange={(event) => onChange(event.currentTarget.value.replace(/\s*\n\s*/g, ''))}
      rightSection={
        <Menu position="bottom-end" shadow="md" width={340}>
          <Menu.Target>
            <Tooltip label="Insert a macro">
              <ActionIcon variant="subtle" aria-label={`Insert a macro into: ${label}`}>
                <IconVariablePlus size={18} stroke={1.6} aria-hidden />
              </ActionIcon>
            </Tooltip>
          </Menu.Target>
          <Menu.Dropdown className={classes.macros}>
            {MACROS.map(({ macro, becomes }) => (
              <Menu.Item key={macro} onClick={() => insert(macro)}>
                <code>{macro}</code>
                <Text size="xs" c="dimmed">
                  {becomes}
                </Text>
              </Menu.Item>
            ))}
          </Menu.Dropdown>
        </Menu>
      }
    />
  );
}
