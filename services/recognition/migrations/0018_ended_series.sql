-- What became of the occurrences of a series is told when the series has ended, too: nothing takes it away.
-- squawk-ignore ban-drop-constraint
ALTER TABLE recognition_series_occurrences DROP CONSTRAINT occurrences_series;
