/** Delivery to one server-to-server destination: what waits, what is wrong, what was given up. */
import { Alert, Anchor, Stack, Text } from '@mantine/core';
import { IconAlertTriangle, IconRefresh } from '@tabler/icons-react';
import { Link, useParams } from 'react-router';
import { useAnswer } from '../api.ts';
import type { Destination } from '../destinations/destination.ts';
import { DestinationSections } from '../destinations/sections.tsx';
import { Status } from '../destinations/status.tsx';
import { ago, count } from '../figures.ts';
import { Missing } from '../missing.tsx';
import { Moment } from '../moment.tsx';
import { Page } from '../page.tsx';
import { FigureRow } from '../reports/figure-row.tsx';
import { Answered } from '../state.tsx';
import { DeadLetters } from './dead-letters.tsx';
import { type Delivery, useDelivery } from './delivery.ts';
import { OrderButton } from './order-button.tsx';
import { PreviousVisitors } from './previous-visitors.tsx';
import { Runs } from './runs.tsx';
import { Standstill } from './standstill.tsx';

export function DeliveryPage() {
  const { id = '' } = useParams();
  const destination = useAnswer<Destination>(`/destinations/${id}`);
  const isServer = destination.data?.destinationType === 'S2S';
  const delivery = useDelivery(Number(id), isServer);
  if (destination.error?.status === 404 || (destination.data && !isServer)) return <Missing />;
  return (
    <Answered query={destination}>
      {(found) => (
        <Page
          title={found.name ?? ''}
          parent={{ title: 'Destinations', to: '/destinations' }}
          beside={<Status of={found} />}
        >
          <DestinationSections destinationId={Number(id)} />
          <Answered query={delivery}>
            {(data) => (
              <Stack gap="lg">
                <Standstill />
                <Standing delivery={data} destination={found} />
                {found.transfer === 'file' && <Runs destination={found} delivery={data} />}
                <PreviousVisitors />
                {found.transfer !== 'file' && <DeadLetters delivery={data} />}
              </Stack>
            )}
          </Answered>
        </Page>
      )}
    </Answered>
  );
}

interface StandingProps {
  readonly delivery: Delivery;
  readonly destination: Destination;
}

function Standing({ delivery, destination }: StandingProps) {
  const { waiting, oldest, dead, problem, since, next, deliveredAt, perSecond } = delivery;
  const isFile = destination.transfer === 'file';
  const isOff = destination.status === 'inactive';
  return (
    <>
      {problem && (
        <Alert
          color="amber"
          role="alert"
          icon={<IconAlertTriangle aria-hidden />}
          title="The partner does not take what is sent"
        >
          <Text size="sm">{problem}</Text>
          <Text size="sm">
            {since !== undefined && (
              <>
                It has been so since <Moment at={since} isExact />.{' '}
                {next !== undefined && next > Date.now() && (
                  <>
                    The next try is due <Moment at={next} />.{' '}
                  </>
                )}
              </>
            )}
            {isOff ? null : isFile ? (
              'It is tried again by itself, with pauses that grow to ten minutes. '
            ) : waiting === 0 ? (
              'It is tried again when there is something to send. '
            ) : (
              <>
                It is tried again by itself, at least once a minute, unless the partner asks for a
                longer pause or refuses what it gets.{' '}
              </>
            )}
            Nothing is lost meanwhile, and no page and no other partner waits for it.
          </Text>
          {/* For whoever has mended what was wrong, and does not want to wait for the next try. */}
          {!isFile && !isOff && waiting > 0 && (
            <OrderButton
              destinationId={destination.destinationId}
              order="probe"
              icon={IconRefresh}
              text="Try now"
              done="The partner is tried"
              mt="xs"
            />
          )}
        </Alert>
      )}
      {isOff && (
        <Alert color="gray" title="Switched off">
          <Text size="sm">
            Nothing is sent. What changes meanwhile is told when it is{' '}
            <Anchor component={Link} to={`/destinations/${destination.destinationId}`} size="sm">
              switched on
            </Anchor>
            .
          </Text>
        </Alert>
      )}
      <FigureRow
        figures={[
          {
            name: isFile ? 'For the next file' : 'Waiting',
            value: count(waiting),
            hint:
              oldest === undefined
                ? isFile
                  ? 'Nothing has changed since the last'
                  : 'Nothing waits'
                : `${waiting === 1 ? 'visitor' : 'visitors'}, the first ${ago(oldest)}`,
          },
          {
            name: 'Delivered last',
            value: deliveredAt === undefined ? '–' : ago(deliveredAt),
            hint:
              deliveredAt === undefined
                ? 'Nothing yet'
                : perSecond === undefined
                  ? undefined
                  : `${count(Math.ceil(perSecond))} a second`,
          },
          ...(isFile
            ? []
            : [
                {
                  name: 'Given up',
                  value: count(dead),
                  hint: dead === 0 ? 'No dead letters' : 'See the dead letters below',
                },
              ]),
        ]}
      />
    </>
  );
}
