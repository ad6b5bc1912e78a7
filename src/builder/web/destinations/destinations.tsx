/** Destinations: the list, a new one, a draft, and one that is there. */
import { Route, Routes } from 'react-router';
import { DeliveryPage } from '../deliveries/delivery-page.tsx';
import { Missing } from '../missing.tsx';
import { DestinationList } from './list.tsx';
import { NewDestination } from './new.tsx';
import { ExistingDestination, OpenDraft } from './open.tsx';

export default function Destinations() {
  return (
    <Routes>
      <Route index element={<DestinationList />} />
      <Route path="new" element={<NewDestination />} />
      <Route path="drafts/:draftId" element={<OpenDraft />} />
      <Route path=":id" element={<ExistingDestination />} />
      <Route path=":id/delivery" element={<DeliveryPage />} />
      <Route path="*" element={<Missing />} />
    </Routes>
  );
}
