import { Sections } from '../sections.tsx';

/** The two sides of a server-to-server destination: what it is, and how delivery stands. */
export function DestinationSections({ destinationId }: { destinationId: number }) {
  const to = `/destinations/${destinationId}`;
  return (
    <Sections
      label="This destination"
      sections={[
        { title: 'Setup', to },
        { title: 'Delivery', to: `${to}/delivery` },
      ]}
    />
  );
}
