/** Who changed what when, and what is in force where. */
import { Route, Routes } from 'react-router';
import { Missing } from '../missing.tsx';
import { Changes } from './changes.tsx';
import { NodesTable } from './nodes-table.tsx';

export default function Activity() {
  return (
    <Routes>
      <Route path="nodes" element={<NodesTable />} />
      <Route path=":revision?" element={<Changes />} />
      <Route path="*" element={<Missing />} />
    </Routes>
  );
}
