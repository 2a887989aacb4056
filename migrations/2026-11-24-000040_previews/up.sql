-- What was made from a file to look at it. The pictures are in the store; this says what became of them.
CREATE TABLE previews (
    attachment_id uuid PRIMARY KEY REFERENCES attachments (id) ON DELETE CASCADE,
    state text NOT NULL DEFAULT 'pending',
    -- Why there is none, or not all, in words for admins; empty when all was made.
    reason text NOT NULL DEFAULT '',
    -- Of a document: its pages, and how many of them have a picture.
    pages integer,
    pages_shown integer NOT NULL DEFAULT 0,
    -- Of the picture that the file's page shows, in pixels.
    width integer,
    height integer,
    ended_at timestamptz,
    CONSTRAINT previews_state_known CHECK (state IN ('pending', 'made', 'none')),
    CONSTRAINT previews_none_has_reason CHECK (state <> 'none' OR reason <> ''),
    CONSTRAINT previews_pages_sane CHECK (pages_shown >= 0 AND (pages_shown = 0 OR pages_shown <= pages)),
    CONSTRAINT previews_ended_whole CHECK ((state = 'pending') = (ended_at IS NULL))
);

-- Words of documents, to find them by. "simple" knows no language: numbers and names are what people look for.
CREATE TABLE attachment_texts (
    attachment_id uuid PRIMARY KEY REFERENCES attachments (id) ON DELETE CASCADE,
    body text NOT NULL,
    words tsvector NOT NULL GENERATED ALWAYS AS (to_tsvector('simple', body)) STORED
);
CREATE INDEX attachment_texts_words ON attachment_texts USING gin (words);
