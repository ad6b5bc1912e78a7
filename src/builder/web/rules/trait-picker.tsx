/** Chooses a trait by a part of its name, or by its id. */
import { Combobox, Loader, Text, useCombobox } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { keepPreviousData, useQuery, useQueryClient } from '@tanstack/react-query';
import { type ReactElement, useEffect, useEffectEvent, useRef, useState } from 'react';
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
  const { data, error, isFetching, isPlaceholderData } = useQuery({
    queryKey: ['traits', 'picked', settled],
    queryFn: () => searchTraits(client, settled),
    enabled: combobox.dropdownOpened,
    placeholderData: keepPreviousData,
  });

  /** What is offered still belongs to what was typed before. */
  const isOld = search !== settled || isPlaceholderData || data === undefined;
  const isChosen = useRef(false);
  const pick = (trait: KnownTrait) => {
    isChosen.current = false;
    combobox.closeDropdown();
    onPick(trait);
  };
  const isPossible = (trait: KnownTrait) => !(isCounted && trait.traitType === 'ON_BOARDED_TRAIT');
  const offer = useEffectEvent((offered: readonly KnownTrait[]) => {
    const first = offered.find(isPossible);
    // Whoever has pressed Enter before the answer came meant the first one.
    if (isChosen.current && first) pick(first);
    else combobox.selectFirstOption();
  });
  useEffect(() => {
    if (combobox.dropdownOpened && !isOld && data) offer(data);
  }, [combobox.dropdownOpened, isOld, data]);

  return (
    <Combobox
      store={combobox}
      position="bottom-start"
      width="min(420px, 92vw)"
      shadow="md"
      withinPortal={false}
      onOptionSubmit={(value) => {
        const trait = data?.find(({ sid }) => String(sid) === value);
        if (trait) pick(trait);
      }}
    >
      <Combobox.Target withKeyboardNavigation={false} withAriaAttributes={false}>
        {button(() => combobox.toggleDropdown())}
      </Combobox.Target>
      <Combobox.Dropdown>
        <Combobox.Search
          role="combobox"
          aria-expanded={combobox.dropdownOpened}
          aria-label="Search for a trait"
          placeholder="Name or id of a trait"
          value={search}
          rightSection={isFetching ? <Loader size="xs" /> : undefined}
          onChange={(event) => {
            setSearch(event.currentTarget.value);
            isChosen.current = false;
            combobox.resetSelectedOption();
          }}
          onKeyDown={(event) => {
            if (event.key !== 'Enter' || !isOld) return;
            event.preventDefault();
            isChosen.current = true;
          }}
        />
        <Combobox.Options aria-label="Traits" className={classes.offers}>
          {data?.map((trait) => (
            <Combobox.Option
              key={trait.sid}
              value={String(trait.sid)}
              disabled={!isPossible(trait)}
              className={classes.offered}
            >
              <span className={classes.offeredName}>{trait.name}</span>
              <span className={classes.offeredAbout}>
                {[`${trait.sid}T`, TYPES[trait.traitType], folders.pathOf(trait.folderId)]
                  .filter(Boolean)
                  .join(' · ')}
                {!isPossible(trait) && ' · cannot be counted'}
              </span>
            </Combobox.Option>
          ))}
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
