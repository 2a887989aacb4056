//! A scanner that says what a test wants it to say.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use super::clamd::eicar;

/// Finds the EICAR test virus, if it is to, and answers everything else with the next of its words.
pub struct FakeClamd {
    address: String,
    words: Arc<Mutex<VecDeque<&'static str>>>,
}

impl FakeClamd {
    /// Answers the first file with the first of these words, and so on; what Stillage tries it out with does not count.
    pub fn saying(words: &[&'static str]) -> Self {
        Self::new(words, true)
    }

    /// Calls everything clean.
    pub fn blind() -> Self {
        Self::new(&[], false)
    }

    fn new(words: &[&'static str], finds: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("tcp://{}", listener.local_addr().unwrap());
        let words = Arc::new(Mutex::new(words.iter().copied().collect::<VecDeque<_>>()));
        let shared = Arc::clone(&words);
        // They end with the process of the tests.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let words = Arc::clone(&shared);
                // A connection that breaks is its client's business.
                thread::spawn(move || answer(stream, &words, finds));
            }
        });
        Self { address, words }
    }

    /// What `CLAMAV_ADDRESS` is set to.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Words that were not said yet.
    pub fn left(&self) -> usize {
        self.words.lock().unwrap().len()
    }
}

fn answer(mut stream: TcpStream, words: &Mutex<VecDeque<&'static str>>, finds: bool) -> io::Result<()> {
    let mut command = Vec::new();
    while command.last() != Some(&0) {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        command.push(byte[0]);
    }
    let words = match command.as_slice() {
        b"zPING\0" => "PONG\0",
        b"zVERSION\0" => "ClamAV 1.0.7\0",
        _ => {
            let file = take_file(&mut stream)?;
            let has = |what: &[u8]| file.windows(what.len()).any(|window| window == what);
            if finds && has(&eicar()) {
                "stream: Fake.EICAR FOUND\0"
            } else if !finds || has(b"innermost.txt") {
                "stream: OK\0"
            } else {
                words.lock().unwrap().pop_front().unwrap_or("stream: OK\0")
            }
        }
    };
    stream.write_all(words.as_bytes())
}

fn take_file(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length) as usize;
        if length == 0 {
            return Ok(bytes);
        }
        let begin = bytes.len();
        bytes.resize(begin + length, 0);
        stream.read_exact(&mut bytes[begin..])?;
    }
}
