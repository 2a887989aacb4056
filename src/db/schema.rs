// @generated automatically by Diesel CLI.

pub mod sql_types {
    #[derive(diesel::query_builder::QueryId, diesel::sql_types::SqlType)]
    #[diesel(postgres_type(name = "tsvector", schema = "pg_catalog"))]
    pub struct Tsvector;
}

diesel::table! {
    api_tokens (id) {
        id -> Uuid,
        user_id -> Uuid,
        name -> Text,
        token_hash -> Bytea,
        scope -> Text,
        site_id -> Nullable<Uuid>,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
        last_used_at -> Nullable<Timestamptz>,
        revoked_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    attachment_copies (attachment_id, place) {
        attachment_id -> Uuid,
        place -> Text,
        state -> Text,
        verified_at -> Nullable<Timestamptz>,
        updated_at -> Timestamptz,
        last_error -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::*;
    use super::sql_types::Tsvector;

    attachment_texts (attachment_id) {
        attachment_id -> Uuid,
        body -> Text,
        words -> Tsvector,
    }
}

diesel::table! {
    attachments (id) {
        id -> Uuid,
        batch_id -> Uuid,
        stored_name -> Text,
        original_name -> Text,
        content_type -> Text,
        size_bytes -> Int8,
        sha256 -> Bytea,
        width -> Nullable<Int4>,
        height -> Nullable<Int4>,
        state -> Text,
        scan -> Text,
        uploaded_by -> Uuid,
        uploaded_at -> Timestamptz,
        trashed_at -> Nullable<Timestamptz>,
        trashed_by -> Nullable<Uuid>,
        kind -> Text,
        note -> Text,
        uploader_name -> Nullable<Text>,
    }
}

diesel::table! {
    audit_events (id) {
        id -> Int8,
        at -> Timestamptz,
        actor -> Text,
        actor_id -> Nullable<Uuid>,
        address -> Nullable<Text>,
        action -> Text,
        subject -> Text,
        batch_id -> Nullable<Uuid>,
        attachment_id -> Nullable<Uuid>,
        details -> Jsonb,
        seal_id -> Nullable<Int8>,
    }
}

diesel::table! {
    audit_seals (id) {
        id -> Int8,
        sealed_at -> Timestamptz,
        events_count -> Int8,
        root -> Bytea,
        previous -> Bytea,
        hash -> Bytea,
    }
}

diesel::table! {
    batches (id) {
        id -> Uuid,
        site_id -> Uuid,
        number -> Text,
        product -> Text,
        notes -> Text,
        status -> Text,
        created_by -> Uuid,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        trashed_at -> Nullable<Timestamptz>,
        trashed_by -> Nullable<Uuid>,
        files_count -> Int8,
        pictures_count -> Int8,
        bytes_total -> Int8,
        last_activity_at -> Timestamptz,
        held_at -> Nullable<Timestamptz>,
        held_by -> Nullable<Uuid>,
        hold_reason -> Text,
        purge_begun_at -> Nullable<Timestamptz>,
        purged_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    jobs (id) {
        id -> Uuid,
        kind -> Text,
        payload -> Jsonb,
        state -> Text,
        dedupe_key -> Nullable<Text>,
        run_at -> Timestamptz,
        attempts -> Int4,
        max_attempts -> Int4,
        leased_by -> Nullable<Uuid>,
        lease_until -> Nullable<Timestamptz>,
        last_error -> Nullable<Text>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        fair_key -> Uuid,
    }
}

diesel::table! {
    password_links (user_id) {
        user_id -> Uuid,
        token_hash -> Bytea,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    preview_turns (fair_key) {
        fair_key -> Uuid,
        served_at -> Timestamptz,
    }
}

diesel::table! {
    previews (attachment_id) {
        attachment_id -> Uuid,
        state -> Text,
        reason -> Text,
        pages -> Nullable<Int4>,
        pages_shown -> Int4,
        width -> Nullable<Int4>,
        height -> Nullable<Int4>,
        ended_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    purges (attachment_id) {
        attachment_id -> Uuid,
        begun_at -> Timestamptz,
    }
}

diesel::table! {
    recovery_codes (user_id, code_hash) {
        user_id -> Uuid,
        code_hash -> Bytea,
    }
}

diesel::table! {
    schedule_runs (kind) {
        kind -> Text,
        began_at -> Timestamptz,
        ended_at -> Timestamptz,
        problem -> Text,
    }
}

diesel::table! {
    sessions (key_hash) {
        key_hash -> Bytea,
        user_id -> Uuid,
        state -> Jsonb,
        created_at -> Timestamptz,
        last_seen_at -> Timestamptz,
        id -> Uuid,
        user_agent -> Text,
        address -> Text,
    }
}

diesel::table! {
    settings (key) {
        key -> Text,
        value -> Jsonb,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    share_links (id) {
        id -> Uuid,
        token_hash -> Bytea,
        batch_id -> Uuid,
        attachment_id -> Nullable<Uuid>,
        created_by -> Uuid,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
        password_hash -> Nullable<Text>,
        max_downloads -> Nullable<Int4>,
        downloads -> Int4,
        revoked_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    site_members (user_id, site_id) {
        site_id -> Uuid,
        user_id -> Uuid,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    sites (id) {
        id -> Uuid,
        name -> Text,
        is_default -> Bool,
        created_at -> Timestamptz,
        keep_years -> Int4,
    }
}

diesel::table! {
    throttles (key) {
        key -> Bytea,
        free_at -> Timestamptz,
    }
}

diesel::table! {
    uploads (id) {
        id -> Uuid,
        batch_id -> Uuid,
        user_id -> Uuid,
        filename -> Text,
        metadata -> Text,
        length -> Int8,
        received -> Int8,
        state -> Text,
        attachment_id -> Nullable<Uuid>,
        lease -> Nullable<Uuid>,
        lease_until -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    two_factors (user_id) {
        user_id -> Uuid,
        secret -> Bytea,
        created_at -> Timestamptz,
        enabled_at -> Nullable<Timestamptz>,
        last_step -> Int8,
        wrong_codes -> Int4,
        wait_until -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    usage_ledger (id) {
        id -> Uuid,
        day -> Date,
        op -> Text,
        site -> Uuid,
        content_type -> Text,
        uploader -> Nullable<Uuid>,
        files -> Int8,
        bytes -> Int8,
        is_sum -> Bool,
    }
}

diesel::table! {
    users (id) {
        id -> Uuid,
        username -> Text,
        display_name -> Text,
        password_hash -> Text,
        role -> Text,
        disabled_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        last_seen_at -> Nullable<Timestamptz>,
        password_set_at -> Nullable<Timestamptz>,
    }
}

diesel::joinable!(api_tokens -> sites (site_id));
diesel::joinable!(api_tokens -> users (user_id));
diesel::joinable!(attachment_copies -> attachments (attachment_id));
diesel::joinable!(attachment_texts -> attachments (attachment_id));
diesel::joinable!(attachments -> batches (batch_id));
diesel::joinable!(audit_events -> attachments (attachment_id));
diesel::joinable!(audit_events -> audit_seals (seal_id));
diesel::joinable!(audit_events -> batches (batch_id));
diesel::joinable!(audit_events -> users (actor_id));
diesel::joinable!(batches -> sites (site_id));
diesel::joinable!(password_links -> users (user_id));
diesel::joinable!(previews -> attachments (attachment_id));
diesel::joinable!(purges -> attachments (attachment_id));
diesel::joinable!(recovery_codes -> users (user_id));
diesel::joinable!(sessions -> users (user_id));
diesel::joinable!(share_links -> attachments (attachment_id));
diesel::joinable!(share_links -> batches (batch_id));
diesel::joinable!(share_links -> users (created_by));
diesel::joinable!(site_members -> sites (site_id));
diesel::joinable!(site_members -> users (user_id));
diesel::joinable!(uploads -> attachments (attachment_id));
diesel::joinable!(uploads -> batches (batch_id));
diesel::joinable!(uploads -> users (user_id));
diesel::joinable!(two_factors -> users (user_id));

diesel::allow_tables_to_appear_in_same_query!(
    api_tokens,
    attachment_copies,
    attachment_texts,
    attachments,
    audit_events,
    audit_seals,
    batches,
    jobs,
    password_links,
    preview_turns,
    previews,
    purges,
    recovery_codes,
    schedule_runs,
    sessions,
    settings,
    share_links,
    site_members,
    sites,
    throttles,
    uploads,
    two_factors,
    usage_ledger,
    users,
);
