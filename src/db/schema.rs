// @generated automatically by Diesel CLI.

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
    }
}

diesel::table! {
    sessions (key_hash) {
        key_hash -> Bytea,
        user_id -> Uuid,
        state -> Jsonb,
        created_at -> Timestamptz,
        last_seen_at -> Timestamptz,
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
    }
}

diesel::joinable!(attachment_copies -> attachments (attachment_id));
diesel::joinable!(attachments -> batches (batch_id));
diesel::joinable!(audit_events -> attachments (attachment_id));
diesel::joinable!(audit_events -> batches (batch_id));
diesel::joinable!(audit_events -> users (actor_id));
diesel::joinable!(batches -> sites (site_id));
diesel::joinable!(sessions -> users (user_id));
diesel::joinable!(site_members -> sites (site_id));
diesel::joinable!(site_members -> users (user_id));

diesel::allow_tables_to_appear_in_same_query!(
    attachment_copies,
    attachments,
    audit_events,
    batches,
    jobs,
    sessions,
    settings,
    site_members,
    sites,
    users,
);
