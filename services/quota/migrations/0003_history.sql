-- What history keeps of policies and adjustments. A policy's versions are the changes of one thing: the organisation's.
SELECT record_history('policies', 'policies', '{version, hi5_limit, calendars}', id_column => 'org_id');
SELECT record_history('adjustments', 'quota/users', '{amount, reason, at}', id_column => 'user_id', part => 'adjustment');
