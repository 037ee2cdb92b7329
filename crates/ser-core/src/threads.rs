//! Threads for work that is done on several processors at once.

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::remedy::Setting;
use crate::{Error, ErrorKind, Result, remedy};

/// More threads than this are a typing mistake.
const MOST: usize = 1024;

/// How many threads `jobs` stands for, the value of `setting`: 0 is one per processor.
///
/// # Errors
/// [`ErrorKind::Usage`] for absurdly many.
pub fn count(jobs: usize, setting: Setting) -> Result<usize> {
    match jobs {
        0 => Ok(std::thread::available_parallelism().map_or(1, usize::from)),
        1..=MOST => Ok(jobs),
        _ => Err(Error::new(ErrorKind::Usage, format!("{} is far too many", setting.to(jobs)))
            .help(format!("give at most {MOST}, or 0 for one per processor"))),
    }
}

/// A pool of as many threads as `jobs` stands for, the value of `setting`: 0 is one per processor.
///
/// # Errors
/// As [`count`]; when the system starts no more threads.
pub fn pool(jobs: usize, setting: Setting) -> Result<ThreadPool> {
    count(jobs, setting)?;
    fixed_pool(jobs).map_err(|error| error.help(remedy!["give fewer ", setting]))
}

/// A pool of `threads` threads, where that is no setting.
///
/// # Errors
/// When the system starts no more threads.
pub fn fixed_pool(threads: usize) -> Result<ThreadPool> {
    ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| Error::new(ErrorKind::Io, format!("cannot start threads: {error}")).caused_by(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_has_as_many_threads_as_are_asked_for_and_zero_is_one_per_processor() {
        assert_eq!(pool(3, Setting::Jobs).unwrap().current_num_threads(), 3);
        let processors = rayon::current_num_threads();
        assert_eq!(pool(0, Setting::Jobs).unwrap().current_num_threads(), processors);
    }

    #[test]
    fn absurdly_many_threads_are_refused_by_the_name_of_their_setting() {
        assert_eq!(count(MOST, Setting::Jobs).unwrap(), MOST);
        let error = pool(MOST + 1, Setting::Threads).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert_eq!(
            error.to_string(),
            "threads = 1025 is far too many; give at most 1024, or 0 for one per processor"
        );
    }
}
