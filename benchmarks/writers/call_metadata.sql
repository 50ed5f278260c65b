-- the payload of a telephone webhook, merged into metadata, which checks read
\set id random(1, 2 * :calls)
update public.calls
set metadata = metadata || '{"call_analysis": {"user_sentiment": "Neutral", "call_successful": true}}', updated_at = now()
where id = :id;
