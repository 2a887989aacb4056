//! The system calls that are left to the child: what memory, the pipe and its end need. Whatever else it asks for,
//! a file, a socket, a process, is refused (`EPERM`), for good.

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod filter {
    use std::{collections::BTreeMap, io};

    use nix::libc;
    use seccompiler::{
        BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
        SeccompRule,
    };

    /// All that a program needs which reads standard input, computes, writes, and ends or is ended.
    const ALLOWED: [libc::c_long; 28] = [
        libc::SYS_read,
        libc::SYS_readv,
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_close,
        libc::SYS_fstat,
        libc::SYS_lseek,
        libc::SYS_brk,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_madvise,
        libc::SYS_futex,
        libc::SYS_clock_gettime,
        libc::SYS_getrusage,
        libc::SYS_clock_nanosleep,
        libc::SYS_nanosleep,
        libc::SYS_getrandom,
        libc::SYS_getpid,
        libc::SYS_gettid,
        libc::SYS_sched_yield,
        libc::SYS_sched_getaffinity,
        libc::SYS_sigaltstack,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_restart_syscall,
        libc::SYS_exit,
        libc::SYS_exit_group,
    ];
    /// These too, but not for memory that can be run.
    const NOT_TO_RUN: [libc::c_long; 2] = [libc::SYS_mmap, libc::SYS_mprotect];
    /// The third argument of both says what the memory is for.
    const PROTECTION: u8 = 2;

    /// Binds the calling thread. A kernel without such filters leaves it to the other bounds.
    pub fn close() -> io::Result<()> {
        match seccompiler::apply_filter(&program().map_err(io::Error::other)?) {
            Ok(()) => Ok(()),
            Err(Error::Prctl(error) | Error::Seccomp(error))
                if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS)) =>
            {
                Ok(())
            }
            Err(error) => Err(io::Error::other(error)),
        }
    }

    fn program() -> Result<BpfProgram, seccompiler::BackendError> {
        let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
            ALLOWED.into_iter().map(|call| (call, Vec::new())).collect();
        for call in NOT_TO_RUN {
            let is_data = SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64);
            let condition = SeccompCondition::new(PROTECTION, SeccompCmpArgLen::Dword, is_data, 0)?;
            rules.insert(call, vec![SeccompRule::new(vec![condition])?]);
        }
        rules.insert(libc::SYS_tgkill, vec![itself()?]);
        let refused = SeccompAction::Errno(libc::EPERM as u32);
        SeccompFilter::new(rules, refused, SeccompAction::Allow, std::env::consts::ARCH.try_into()?)?
            .try_into()
    }

    /// `abort` sends itself a signal; nobody else gets one.
    fn itself() -> Result<SeccompRule, seccompiler::BackendError> {
        let own = u64::from(std::process::id());
        SeccompRule::new(vec![SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, own)?])
    }
}

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
mod filter {
    /// There is no filter for this machine: the other bounds hold.
    pub fn close() -> std::io::Result<()> {
        Ok(())
    }
}

pub use filter::close;

#[cfg(all(test, target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod tests {
    use std::{
        fs::File,
        io::ErrorKind::PermissionDenied,
        net::{TcpStream, UdpSocket},
        os::unix::net::UnixDatagram,
        process::Command,
        thread,
    };

    use nix::sys::resource::{UsageWho, getrusage};

    use super::*;

    #[test]
    fn inside_there_is_no_file_no_socket_and_no_process_but_memory() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_owned();
        // A filter binds the thread that asks for it.
        let inside = thread::spawn(move || {
            close().unwrap();
            let refused = [
                File::open("/etc/hostname").err(),
                File::open(&path).err(),
                File::create(&path).err(),
                std::fs::remove_file(&path).err(),
                std::fs::metadata(&path).err(),
                std::fs::read_dir("/proc/self/fd").err(),
                UnixDatagram::unbound().err(),
                UdpSocket::bind("127.0.0.1:0").err(),
                TcpStream::connect("127.0.0.1:1").err(),
                Command::new("/bin/true").spawn().err(),
                thread::Builder::new().spawn(|| ()).err(),
            ];
            let memory = vec![1u8; 64 * 1024 * 1024];
            // By this, the child knows when it has drawn enough.
            getrusage(UsageWho::RUSAGE_SELF).unwrap();
            (
                refused.map(|error| error.map(|error| error.kind())),
                memory.iter().map(|&n| u64::from(n)).sum::<u64>(),
            )
        });
        let (refused, sum) = inside.join().unwrap();
        assert_eq!(refused, [Some(PermissionDenied); 11]);
        assert_eq!(sum, 64 * 1024 * 1024);
        assert!(file.path().exists());
    }
}
