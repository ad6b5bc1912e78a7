/** Chooses a trait by a part of its name, or by its id. */
import { Combobox, Loader, ScrollArea, Text, useCombobox } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { keepPreviousData, useQuery, useQueryClient } from '@tanstack/react-query';
import { type ReactElement, useState } from 'react';
import { useFolders } from './folders.ts';
import type { KnownTrait } from './language.ts';
import { searchTraits } from './lexicon.ts';
import classes from './rules.module.css';
import { TYPES } from './types.ts';

interface TraitPickerProps {
  readonly onPick: (trait: KnownTrait) => void;
  /** A button, given what opens the list. */
  readonly button: (open: () => void) => ReactElement;
  /** Leaves out what has no recency and frequency. */
  readonly isCounted?: boolean;
}

export function TraitPicker({ onPick, button, isCounted = false }: TraitPickerProps) {
  const client = useQueryClient();
  const folders = useFolders();
  const [search, setSearch] = useState('');
  const [settled] = useDebouncedValue(search, 120);
  const combobox = useCombobox({
    onDropdownOpen: () => combobox.focusSearchInput(),
    onDropdownClose: () => {
      combobox.resetSelectedOption();
      combobox.focusTarget();
      setSearch('');
    },
  });
  const { data, error, isFetching } = useQuery({
    queryKey: ['traits', 'picked', settled],
    queryFn: () => searchTraits(client, settled),
    enabled: combobox.dropdownOpened,
    placeholderData: keepPreviousData,
  });

  return (
    <Combobox
      store={combobox}
      position="bottom-start"
      width="min(420px, 92vw)"
      shadow="md"
      withinPortal
      onOptionSubmit={(value) => {
        const trait = data?.find(({ sid }) => String(sid) === value);
        combobox.closeDropdown();
        if (trait) onPick(trait);
      }}
    >
      <Combobox.Target withKeyboardNavigation={false} withAriaAttributes={false}>
        {button(() => combobox.toggleDropdown())}
      </Combobox.Target>
      <Combobox.Dropdown>
        <Combobox.Search
          aria-label="Search for a trait"
          placeholder="Name or id of a trait"
          value={search}
          rightSection={isFetching ? <Loader size="xs" /> : undefined}
          onChange={(event) => {
            setSearch(event.currentTarget.value);
            combobox.updateSelectedOptionIndex();
          }}
        />
        <Combobox.Options aria-label="Traits">
          <ScrollArea.Autosize mah={300} type="scroll" tabIndex={-1}>
            {data?.map((trait) => (
              <Combobox.Option
                key={trait.sid}
                value={String(trait.sid)}
                disabled={isCounted && trait.traitType === 'ON_BOARDED_TRAIT'}
                className={classes.offered}
              >
                <span className={classes.offeredName}>{trait.name}</span>
                <span className={classes.offeredAbout}>
                  {[`${trait.sid}T`, TYPES[trait.traitType], folders.pathOf(trait.folderId)]
                    .filter(Boolean)
                    .join(' · ')}
                  {isCounted && trait.traitType === 'ON_BOARDED_TRAIT' && ' · cannot be counted'}
                </span>
              </Combobox.Option>
            ))}
          </ScrollArea.Autosize>
          {data?.length === 0 && (
            <Combobox.Empty>
              {settled ? `No trait matches “${settled}”` : 'There are no traits yet'}
            </Combobox.Empty>
          )}
          {error && !data && (
            <Text size="sm" c="red" p="xs" role="alert">
              Traits could not be loaded: {error.message}
            </Text>
          )}
        </Combobox.Options>
      </Combobox.Dropdown>
    </Combobox>
  );
}
