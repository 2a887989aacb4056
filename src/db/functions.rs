//! Functions of PostgreSQL that diesel does not know.

diesel::define_sql_function! {
    /// In lower case, after the rules of the database.
    fn lower(text: diesel::sql_types::Text) -> diesel::sql_types::Text;
}
