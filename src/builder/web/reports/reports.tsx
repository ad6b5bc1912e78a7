/** Reports: how often each destination and segment fired, was capped or blocked, and by what. */
import { Route, Routes } from 'react-router';
import { Missing } from '../missing.tsx';
import { DestinationReport } from './destination-report.tsx';
import { SegmentReport } from './segment-report.tsx';
import { Summary } from './summary.tsx';

export default function Reports() {
  return (
    <Routes>
      <Route index element={<Summary />} />
      <Route path="destinations/:id" element={<DestinationReport />} />
      <Route path="segments/:sid" element={<SegmentReport />} />
      <Route path="*" element={<Missing />} />
    </Routes>
  );
}
