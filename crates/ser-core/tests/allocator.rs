//! What the allocator keeps of memory that was freed: in a program of its own, since it is the memory of the whole process.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use ser_core::allocator::{give_back_freed_memory, give_back_large_buffers};

#[test]
fn memory_that_was_freed_is_given_back() {
    // Memory of this process that is in no file, MB.
    let memory = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() >> 10
    };
    give_back_large_buffers();
    // A buffer that was freed would teach glibc to keep those of its size.
    drop(vec![1_u8; 30 << 20]);
    let before = memory();
    let large = vec![1_u8; 30 << 20];
    // What comes after a buffer keeps it from being cut off at the end of the heap.
    let last = vec![1_u8; 1 << 10];
    drop(large);
    assert!(memory() < before + 10, "{} MB and {before} MB before", memory());

    let small: Vec<Vec<u8>> = (0..1_000_000).map(|_| vec![1; 64]).collect();
    let last = [last, vec![1; 1 << 10]];
    drop(small);
    give_back_freed_memory();
    assert!(memory() < before + 20, "{} MB and {before} MB before", memory());
    assert!(last.iter().flatten().all(|byte| *byte == 1));
}
