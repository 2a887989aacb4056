//! `multipart/form-data` as browsers write it: names as they are, in UTF-8, but for quotes and line breaks.

pub struct Multipart(Vec<u8>);

const BOUNDARY: &str = "----stillage-it-5f1c0d9e";

impl Multipart {
    pub const CONTENT_TYPE: &str = "multipart/form-data; boundary=----stillage-it-5f1c0d9e";

    pub fn new() -> Self {
        Self(Vec::new())
    }

    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.begin(&format!("name=\"{name}\""), "");
        self.0.extend(value.as_bytes());
        self.0.extend(b"\r\n");
        self
    }

    pub fn file(self, filename: &str, bytes: &[u8]) -> Self {
        let mut whole = self.file_head(filename);
        whole.0.extend(bytes);
        whole.0.extend(b"\r\n");
        whole
    }

    /// Only the head of a file: what follows is sent by hand.
    pub fn file_head(mut self, filename: &str) -> Self {
        let escaped = filename.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A");
        self.begin(
            &format!("name=\"files\"; filename=\"{escaped}\""),
            "Content-Type: application/octet-stream\r\n",
        );
        self
    }

    pub fn unfinished(self) -> Vec<u8> {
        self.0
    }

    pub fn body(mut self) -> Vec<u8> {
        self.0.extend(format!("--{BOUNDARY}--\r\n").as_bytes());
        self.0
    }

    fn begin(&mut self, disposition: &str, more: &str) {
        let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n{more}\r\n");
        self.0.extend(head.as_bytes());
    }
}
