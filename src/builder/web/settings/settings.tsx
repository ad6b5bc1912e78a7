/** What destinations, segments and traits rest on. */
import { Navigate, Route, Routes } from 'react-router';
import { Missing } from '../missing.tsx';
import { Consent } from './consent.tsx';
import { DataSources } from './data-sources.tsx';
import { Folders } from './folders.tsx';
import { Sites } from './sites.tsx';
import { WholeDocument } from './whole-document.tsx';

export default function Settings() {
  return (
    <Routes>
      <Route index element={<Navigate to="/settings/data-sources" replace />} />
      <Route path="data-sources/:id?" element={<DataSources />} />
      <Route path="folders/:id?" element={<Folders />} />
      <Route path="sites/:id?" element={<Sites />} />
      <Route path="consent" element={<Consent />} />
      <Route path="document" element={<WholeDocument />} />
      <Route path="*" element={<Missing />} />
    </Routes>
  );
}
