//! What work takes, of the whole process, and the line that says so.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs::read_to_string;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// The system's allocator, which counts. There is one thread: nothing is added atomically.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

fn count() {
    ALLOCATIONS.store(ALLOCATIONS.load(Relaxed) + 1, Relaxed);
}

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        System.alloc(layout)
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        System.alloc_zeroed(layout)
    }

    unsafe fn realloc(&self, p: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        System.realloc(p, layout, size)
    }

    unsafe fn dealloc(&self, p: *mut u8, layout: Layout) {
        System.dealloc(p, layout)
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

pub struct Meter {
    at: Instant,
    cpu: f64,
    allocations: u64,
}

impl Meter {
    pub fn start() -> Meter {
        Meter { allocations: ALLOCATIONS.load(Relaxed), cpu: cpu(), at: Instant::now() }
    }

    pub fn report(&self, messages: u64, bytes: u64) {
        let (seconds, cpu) = (self.at.elapsed().as_secs_f64(), cpu() - self.cpu);
        let allocations = ALLOCATIONS.load(Relaxed) - self.allocations;
        print!("messages={messages} bytes={bytes} seconds={seconds:.9} cpu={cpu:.9} allocations={allocations}");
    }
}

/// Seconds that all threads have run, in user mode and in the kernel. The scheduler's
/// figure is in nanoseconds, and of this thread, which is the only one.
fn cpu() -> f64 {
    let line = read_to_string("/proc/self/schedstat").expect("no /proc/self/schedstat");
    line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1e9
}

/// Bytes of memory that the process has.
pub fn resident() -> f64 {
    let line = read_to_string("/proc/self/statm").expect("no /proc/self/statm");
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 4096.0
}

pub fn report_quantiles(times: &mut [Duration]) {
    times.sort();
    for (name, at) in
        [("q10", 0.1), ("q25", 0.25), ("q50", 0.5), ("q75", 0.75), ("q90", 0.9), ("q95", 0.95), ("q99", 0.99), ("q999", 0.999)]
    {
        let t = times[(at * times.len() as f64) as usize];
        print!(" {name}={:.3}", t.as_secs_f64() * 1e6);
    }
}
