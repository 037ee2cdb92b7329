//! Where a network computes, and what to do if a device is not available.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use ser_core::remedy::{Action, Setting};
use ser_core::{Error, ErrorKind, Result, allocator, remedy};
use ser_distributed::Ranks;
use ser_model::{FitConfig, Precision};
use ser_torch::compute_f32_in_full;
use tch::Device;

use crate::foreign;

/// A device asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    Auto,
    Cpu,
    AnyCuda,
    Cuda(usize),
}

fn parse(text: &str) -> Result<Choice> {
    let index = text.strip_prefix("cuda:").map(str::parse);
    match (text, index) {
        ("auto", _) => Ok(Choice::Auto),
        ("cpu", _) => Ok(Choice::Cpu),
        ("cuda", _) => Ok(Choice::AnyCuda),
        (_, Some(Ok(index))) => Ok(Choice::Cuda(index)),
        _ => Err(Error::new(ErrorKind::Usage, format!("unknown device {text:?}")).help(remedy![
            "use ",
            Setting::Device,
            " auto, cpu, cuda or cuda:<N>"
        ])),
    }
}

/// Sets up libtorch for `threads` threads (0 for all processors) and finds the device `name`: `auto`, `cpu`, `cuda` or
/// `cuda:<N>`. `auto` takes CUDA where there is some; where there is a driver but still no CUDA, the second
/// value says why.
///
/// # Errors
/// When the name is unknown, or CUDA is requested and not available.
pub fn set_up(name: &str, threads: u32) -> Result<(Device, Option<Error>)> {
    set_up_rank(name, threads, &Ranks::alone())
}

/// The same for one of the `ranks` on this machine: where all processors are meant each has its share of them, and where no
/// particular CUDA device is meant each has its own.
///
/// # Errors
/// Those of [`set_up`].
pub fn set_up_rank(name: &str, threads: u32, ranks: &Ranks) -> Result<(Device, Option<Error>)> {
    let choice = parse(name)?;
    allocator::keep_large_buffers();
    let share = if threads == 0 { ranks.local_count() } else { 1 };
    tch::set_num_threads((thread_count(threads) / share).max(1) as i32);
    let own = ranks.local_rank() as usize;
    match choice {
        Choice::Cpu => Ok((Device::Cpu, None)),
        Choice::Auto if !has_nvidia_driver() => Ok((Device::Cpu, None)),
        Choice::Auto => Ok(cuda(own).map_or_else(|why| (Device::Cpu, Some(why)), |device| (device, None))),
        Choice::AnyCuda => Ok((cuda(own)?, None)),
        Choice::Cuda(index) => Ok((cuda(index)?, None)),
    }
}

/// Replaces `auto` in `config` by the arithmetic that it means on `device`.
pub fn settle_precision(config: &mut FitConfig, device: Device) {
    for precision in [&mut config.precision, &mut config.validation_precision] {
        *precision = precision_for(*precision, device);
    }
}

/// What a run that continues `begun` computes in, where `config` says `auto`: it continues as it began, whatever the machine.
pub fn continue_precision(config: &mut FitConfig, begun: &FitConfig) {
    let begun = [begun.precision, begun.validation_precision];
    for (precision, begun) in [&mut config.precision, &mut config.validation_precision].into_iter().zip(begun)
    {
        if *precision == Precision::Auto {
            *precision = begun;
        }
    }
}

/// The arithmetic meant by `precision` on `device`: for `auto` bf16 where this processor computes with it natively,
/// and f32 otherwise. On a GPU `auto` is f32.
pub fn precision_for(precision: Precision, device: Device) -> Precision {
    match precision {
        Precision::Auto if device == Device::Cpu && instruction_sets().contains(&BF16) => Precision::Bf16,
        Precision::Auto => Precision::F32,
        chosen => chosen,
    }
}

/// The number of threads meant by `threads`: itself, or the number of processors for 0.
pub fn thread_count(threads: u32) -> u32 {
    match threads {
        0 => std::thread::available_parallelism().map_or(1, |n| n.get() as u32),
        threads => threads,
    }
}

/// Loads libtorch's CUDA library, which the commands are not linked with, so that a run on the CPU never pays for it.
fn cuda(index: usize) -> Result<Device> {
    let help = || remedy!["use ", Setting::Device.to("cpu"), ", or ", Action::ListDevices];
    let library = cuda_library().ok_or_else(|| {
        Error::new(ErrorKind::Missing, "this libtorch was built without CUDA")
            .help(remedy!["run ./just libtorch cuda, or use ", Setting::Device.to("cpu")])
    })?;
    // Before the first query about CUDA: libtorch permanently remembers that there was none.
    foreign::load_globally(&library)?;
    if !tch::Cuda::is_available() {
        return Err(Error::new(ErrorKind::Missing, "libtorch finds no usable CUDA device").help(help()));
    }
    let count = tch::Cuda::device_count();
    if index as i64 >= count {
        return Err(Error::new(
            ErrorKind::Missing,
            format!("there are {count} CUDA devices, no cuda:{index}"),
        )
        .help("give a lower number"));
    }
    if !compute_f32_in_full() {
        let what = "libtorch would compute f32 in TF32 on a GPU, and answers would not be those of the CPU";
        return Err(Error::new(ErrorKind::Unsupported, what).help(help()));
    }
    Ok(Device::Cuda(index))
}

/// libtorch's folder of libraries: the one of `LIBTORCH` at run time, or the one it was built against.
fn library_folder() -> Option<PathBuf> {
    let named = std::env::var_os("LIBTORCH").map(|root| Path::new(&root).join("lib"));
    named.filter(|folder| folder.is_dir()).or_else(|| option_env!("SER_LIBTORCH_LIB").map(PathBuf::from))
}

fn cuda_library() -> Option<PathBuf> {
    library_folder().map(|folder| folder.join("libtorch_cuda.so")).filter(|library| library.is_file())
}

fn has_nvidia_driver() -> bool {
    Path::new("/proc/driver/nvidia/version").exists() || Path::new("/dev/nvidiactl").exists()
}

/// A page about libtorch, its devices and this processor, with what to do where CUDA was expected and is missing.
pub fn doctor() -> String {
    let mut page = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(page, "{name:<14} {value}");
    };
    line("libtorch", library_folder().map_or("unknown".to_owned(), |folder| folder.display().to_string()));
    line("threads", format!("{} processors", thread_count(0)));
    line("oneDNN", yes_no(tch::utils::has_mkldnn()));
    line("MKL", yes_no(tch::utils::has_mkl()));
    line("OpenMP", yes_no(tch::utils::has_openmp()));
    line("instructions", instruction_sets().join(", "));
    line("NVIDIA driver", yes_no(has_nvidia_driver()));
    line(
        "CUDA library",
        cuda_library().map_or("not installed".to_owned(), |path| path.display().to_string()),
    );
    match (has_nvidia_driver(), cuda(0)) {
        (_, Ok(_)) => line("CUDA devices", tch::Cuda::device_count().to_string()),
        (true, Err(error)) => line("CUDA devices", format!("none: {error}")),
        (false, Err(_)) => line("CUDA devices", "none: this machine has no NVIDIA driver".to_owned()),
    }
    page
}

fn yes_no(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}

const BF16: &str = "bf16";

/// Instruction sets of this processor that make a step faster.
fn instruction_sets() -> Vec<&'static str> {
    #[cfg(target_arch = "x86_64")]
    let found = [
        ("AVX2", std::is_x86_feature_detected!("avx2")),
        ("AVX-512", std::is_x86_feature_detected!("avx512f")),
        ("AVX-512 VNNI", std::is_x86_feature_detected!("avx512vnni")),
        (BF16, std::is_x86_feature_detected!("avx512bf16")),
    ];
    #[cfg(not(target_arch = "x86_64"))]
    let found: [(&str, bool); 0] = [];
    found.into_iter().filter_map(|(name, has)| has.then_some(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named_as_in_pytorch() {
        assert_eq!(parse("cuda").unwrap(), Choice::AnyCuda);
        assert_eq!(parse("cuda:3").unwrap(), Choice::Cuda(3));
        assert_eq!(parse("auto").unwrap(), Choice::Auto);
        for wrong in ["gpu", "cuda:", "cuda:x", "cuda:-1", ""] {
            let error = parse(wrong).unwrap_err().to_string();
            assert!(error.contains("device auto, cpu, cuda"), "{error}");
        }
    }

    #[test]
    fn the_doctor_names_the_libtorch_it_sees() {
        let page = doctor();
        assert!(page.contains("libtorch"), "{page}");
        assert!(page.contains("CUDA devices"), "{page}");
    }
}
