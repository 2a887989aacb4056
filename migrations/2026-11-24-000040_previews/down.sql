DROP TABLE attachment_texts;
DROP TABLE previews;
