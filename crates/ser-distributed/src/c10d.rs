//! The calls of the C++ in `shim/c10d.cpp`, each with the reason why it is sound.
#![expect(unsafe_code, reason = "all calls of this crate that the compiler cannot check are here")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;
use std::time::Duration;

use ser_core::{Error, ErrorKind, Result};
use ser_torch::Result as TorchResult;
use tch::Tensor;

use crate::environment::Environment;
use crate::ranks::failure::lost;

/// How long a process waits for the others at the start.
const PATIENCE_AT_THE_START: Duration = Duration::from_secs(120);

/// How long a sum waits for the ranks that have not come to it yet: as long as an epoch's checkpoint may take to write.
const PATIENCE_OF_A_SUM: Duration = Duration::from_secs(30 * 60);

/// What the C++ knows of a group.
#[repr(C)]
struct RawGroup {
    opaque: [u8; 0],
}

unsafe extern "C" {
    fn ser_c10d_store(
        host: *const c_char,
        port: u16,
        serves: bool,
        prefix: *const c_char,
        timeout_ms: i64,
        error: *mut *mut c_char,
    ) -> *mut RawGroup;
    fn ser_c10d_set(
        group: *mut RawGroup,
        key: *const c_char,
        value: *const u8,
        length: usize,
        error: *mut *mut c_char,
    ) -> bool;
    fn ser_c10d_get(
        group: *mut RawGroup,
        key: *const c_char,
        timeout_ms: i64,
        length: *mut usize,
        error: *mut *mut c_char,
    ) -> *mut u8;
    fn ser_c10d_count(group: *mut RawGroup, key: *const c_char, error: *mut *mut c_char) -> i64;
    fn ser_c10d_connect(
        group: *mut RawGroup,
        rank: c_int,
        size: c_int,
        address: *const c_char,
        interface: *const c_char,
        timeout_ms: i64,
        error: *mut *mut c_char,
    ) -> bool;
    fn ser_c10d_gpu(index: c_int, text: *mut c_char, length: c_int) -> bool;
    fn ser_c10d_connect_gpus(
        group: *mut RawGroup,
        rank: c_int,
        size: c_int,
        timeout_ms: i64,
        error: *mut *mut c_char,
    ) -> bool;
    fn ser_c10d_sum(group: *mut RawGroup, value: *const c_void, error: *mut *mut c_char) -> *mut c_void;
    fn ser_c10d_free_group(group: *mut RawGroup);
    fn ser_c10d_free(memory: *mut c_void);
}

/// A store that all processes see, and, once they are connected, sums over them.
#[derive(Debug)]
pub(crate) struct Group(*mut RawGroup);

// SAFETY: nothing of a group belongs to the thread that made it.
unsafe impl Send for Group {}

// SAFETY: its store and its process group, which c10d lends to any thread, lock what they share. What connects the ranks sets
// the latter once, before anybody can have asked for a sum; what connects their GPUs holds a lock that their sums hold too.
unsafe impl Sync for Group {}

impl Group {
    /// Meets the other processes at the store, which rank 0 serves unless the launcher does.
    ///
    /// # Errors
    /// When it cannot be reached or served.
    pub(crate) fn meet(environment: &Environment) -> Result<Self> {
        let Environment { rank, address, port, restarts, launcher_serves, .. } = environment;
        let host = text(address)?;
        // What processes said before they were started again is another's.
        let prefix = text(&format!("ser/{restarts}"))?;
        let serves = *rank == 0 && !launcher_serves;
        let mut error = ptr::null_mut();
        // SAFETY: both texts end with a zero and outlive the call, which keeps no pointer to them.
        let raw = unsafe {
            let timeout = milliseconds(PATIENCE_AT_THE_START);
            ser_c10d_store(host.as_ptr(), *port, serves, prefix.as_ptr(), timeout, &raw mut error)
        };
        let at = format!("{address}:{port}, which MASTER_ADDR and MASTER_PORT name,");
        failure(error).map_or(Ok(()), |why| {
            let what = match serves {
                true => format!("cannot be where processes meet: {at} gives: {why}"),
                false => format!("cannot reach the other processes: {at} gives: {why}"),
            };
            Err(Error::new(ErrorKind::Io, what)
                .help("look whether rank 0 runs there, and whether the port is free"))
        })?;
        Ok(Self(raw))
    }

    /// Connects the ranks with each other.
    ///
    /// # Errors
    /// When one cannot be reached.
    pub(crate) fn connect(&self, environment: &Environment) -> Result<()> {
        let Environment { rank, count, interface, .. } = environment;
        let address = text(if environment.is_one_machine() { "127.0.0.1" } else { "" })?;
        let interface = text(interface.as_deref().unwrap_or_default())?;
        let mut error = ptr::null_mut();
        // SAFETY: as above; nobody computes with the group before.
        unsafe {
            let timeout = milliseconds(PATIENCE_OF_A_SUM);
            let (rank, count) = (*rank as c_int, *count as c_int);
            let (address, interface) = (address.as_ptr(), interface.as_ptr());
            ser_c10d_connect(self.0, rank, count, address, interface, timeout, &raw mut error);
        }
        failure(error).map_or(Ok(()), |why| {
            Err(Error::new(ErrorKind::Io, format!("ranks cannot reach each other: {why}"))
                .help("set GLOO_SOCKET_IFNAME to the network interface that the machines share"))
        })
    }

    /// Has sums of tensors on GPUs go over NCCL. Each rank must compute on a GPU of its own.
    ///
    /// # Errors
    /// When libtorch has no NCCL, or finds no GPU.
    pub(crate) fn connect_gpus(&self, rank: u32, count: u32) -> Result<()> {
        let mut error = ptr::null_mut();
        // SAFETY: the group is there as long as `self` is; sums of other threads wait until it is done.
        unsafe {
            let timeout = milliseconds(PATIENCE_OF_A_SUM);
            ser_c10d_connect_gpus(self.0, rank as c_int, count as c_int, timeout, &raw mut error);
        }
        failure(error).map_or(Ok(()), |why| Err(Error::new(ErrorKind::Io, why)))
    }

    /// The address of the GPU `index` on the bus of this machine; `None` where libtorch has no NCCL, or there is no such GPU.
    pub(crate) fn gpu(index: usize) -> Option<String> {
        let mut text = [0_u8; 64];
        let index = c_int::try_from(index).ok()?;
        // SAFETY: the call writes at most as many bytes as the array has, and keeps no pointer to it.
        let found = unsafe { ser_c10d_gpu(index, text.as_mut_ptr().cast(), text.len() as c_int) };
        let address = CStr::from_bytes_until_nul(&text).ok()?;
        found.then(|| address.to_string_lossy().into_owned())
    }

    /// Puts `value` at `key`.
    pub(crate) fn set(&self, key: &str, value: &[u8]) -> Result<()> {
        let key = text(key)?;
        let mut error = ptr::null_mut();
        // SAFETY: pointer and length come from one slice, which the call copies.
        unsafe { ser_c10d_set(self.0, key.as_ptr(), value.as_ptr(), value.len(), &raw mut error) };
        failure(error).map_or(Ok(()), |why| Err(lost(&why)))
    }

    /// What is at `key`, as soon as something is.
    ///
    /// # Errors
    /// [`ErrorKind::Missing`] when nothing is there for so long.
    pub(crate) fn get(&self, key: &str, patience: Duration) -> Result<Vec<u8>> {
        let key = text(key)?;
        let (mut error, mut length) = (ptr::null_mut(), 0);
        let timeout = milliseconds(patience);
        // SAFETY: the value is copied into a vector before it is freed, and is as long as the call says.
        let value = unsafe {
            let value = ser_c10d_get(self.0, key.as_ptr(), timeout, &raw mut length, &raw mut error);
            if value.is_null() {
                None
            } else {
                let copy = std::slice::from_raw_parts(value, length).to_vec();
                ser_c10d_free(value.cast());
                Some(copy)
            }
        };
        match (failure(error), value) {
            (None, Some(value)) => Ok(value),
            (Some(why), _) if why.contains("timeout") => {
                Err(Error::new(ErrorKind::Missing, format!("said nothing for {} s", patience.as_secs())))
            }
            (why, _) => Err(lost(&why.unwrap_or_default())),
        }
    }

    /// How often this has been asked for `key`, this time included.
    pub(crate) fn count(&self, key: &str) -> Result<u64> {
        let key = text(key)?;
        let mut error = ptr::null_mut();
        // SAFETY: the text outlives the call.
        let count = unsafe { ser_c10d_count(self.0, key.as_ptr(), &raw mut error) };
        failure(error).map_or(Ok(count.unsigned_abs()), |why| Err(lost(&why)))
    }

    /// Σ over ranks.
    pub(crate) fn sum(&self, value: &Tensor) -> TorchResult<Tensor> {
        let mut error = ptr::null_mut();
        // SAFETY: tch's tensors are pointers to `at::Tensor`; the call reads this one and gives a new one of its own.
        unsafe { tensor(ser_c10d_sum(self.0, value.as_ptr().cast(), &raw mut error), error) }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // SAFETY: it was made by `ser_c10d_store` and is freed once.
        unsafe { ser_c10d_free_group(self.0) }
    }
}

/// Takes over a new tensor of the C++.
///
/// # Safety
/// `raw` is null, or a new `at::Tensor`.
unsafe fn tensor(raw: *mut c_void, error: *mut c_char) -> TorchResult<Tensor> {
    if let Some(why) = failure(error) {
        return Err(lost(&why).into());
    }
    // SAFETY: the caller says so.
    Ok(unsafe { Tensor::from_ptr(raw.cast()) })
}

/// Takes over the message of a call that failed.
fn failure(error: *mut c_char) -> Option<String> {
    if error.is_null() {
        return None;
    }
    // SAFETY: the C++ leaves null, or a text that ends with a zero and is to be freed.
    unsafe {
        let message = CStr::from_ptr(error).to_string_lossy().into_owned();
        ser_c10d_free(error.cast());
        Some(message)
    }
}

fn text(text: &str) -> Result<CString> {
    CString::new(text).map_err(|error| {
        Error::new(ErrorKind::Usage, format!("{:?} in the environment holds a zero byte", text))
            .caused_by(error)
    })
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    unsafe extern "C" {
        fn dlopen(name: *const c_char, flags: c_int) -> *mut c_void;
    }

    /// As glibc has it: all symbols at once, for all to see.
    const RTLD_NOW_AND_GLOBAL: c_int = 0x102;

    fn alone() -> Group {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let variable = |name: &str| match name {
            "RANK" => Some("0".to_owned()),
            "WORLD_SIZE" => Some("1".to_owned()),
            "MASTER_ADDR" => Some("127.0.0.1".to_owned()),
            "MASTER_PORT" => Some(free.to_string()),
            _ => None,
        };
        Group::meet(&Environment::read(variable).unwrap().unwrap()).unwrap()
    }

    /// Of a libtorch with CUDA, NCCL is found and its constructors are called, which on a machine without a GPU say so.
    #[cfg(target_os = "linux")]
    #[test]
    fn nccl_is_found_where_libtorch_has_it() {
        let library = std::env::var("LIBTORCH").map(|root| format!("{root}/lib/libtorch_cuda.so"));
        let Some(library) = library.ok().filter(|library| std::path::Path::new(library).exists()) else {
            let why = alone().connect_gpus(0, 1).unwrap_err().to_string();
            assert!(why.contains("this libtorch has no NCCL"), "{why}");
            println!("this libtorch has no CUDA: what it has of NCCL was not tested");
            return;
        };
        let library = text(&library).unwrap();
        // SAFETY: it is libtorch's own, whose initialisers register devices, and it is never unloaded.
        let loaded = unsafe { dlopen(library.as_ptr(), RTLD_NOW_AND_GLOBAL) };
        assert!(!loaded.is_null());
        match alone().connect_gpus(0, 1) {
            Ok(()) => assert!(Group::gpu(0).is_some()),
            Err(why) => assert!(why.to_string().contains("no GPUs found"), "{why}"),
        }
    }
}
