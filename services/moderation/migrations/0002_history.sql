-- What history keeps of cases, with the reports and reviews that make them.
SELECT record_history('cases', 'moderation/cases', '{state, withdrawn}', id_column => 'recognition_id');
SELECT record_history(
    'reports', 'moderation/cases', '{reported_by, mark_as, reason}', id_column => 'recognition_id', part => 'report'
);
SELECT record_history(
    'reviews', 'moderation/cases', '{reviewed_by, is_inappropriate, comment}',
    id_column => 'recognition_id', part => 'review'
);
