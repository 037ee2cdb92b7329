//! Throughput of a training step and of evaluation, beside the same network written the usual way: libtorch's own
//! layers and optimiser, default memory layout, f32, as a PyTorch script would run them.
//!
//! Run the two sides in processes of their own, since ser tells the allocator to keep large buffers:
//! `cargo bench --bench step -- ser`, `cargo bench --bench step -- eager`.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark may stop at the first surprise")]

use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use ser_cache::{Cache, Dataset};
use ser_core::progress::Silent;
use ser_core::random::Random;
use ser_core::storage::Storage;
use ser_corpus::Protocol;
use ser_corpus::split::Side;
use ser_model::network::{Architecture, NetworkConfig};
use ser_model::{FitConfig, Precision};
use ser_prepare::{PrepareOptions, prepare};
use ser_train::batches::Batches;
use ser_train::device;
use ser_train::evaluate::evaluate;
use ser_train::network::Network;
use ser_train::optimisation::Learner;
use tch::nn::{ModuleT, OptimizerConfig, RNN};
use tch::{Device, Kind, Tensor, nn};

const BATCH: usize = 32;
const CLASSES: usize = 7;

/// A training side of a few batches, with the default features.
fn dataset() -> Dataset {
    let (data, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let corpus = ser_synth::SynthCorpus::new(ser_synth::SynthOptions {
        words: 10,
        ..ser_synth::SynthOptions::default()
    })
    .unwrap();
    corpus.write(data.path()).unwrap();
    let options = PrepareOptions::new(data.path(), out.path());
    prepare(&options, &Storage::native(), &Silent).unwrap();
    let cache = Cache::open(out.path()).unwrap();
    let set = cache.feature_set(None).unwrap();
    let split = cache.split(set, &Protocol::Random).unwrap();
    // Mapped data outlives its file's name.
    cache.side(set, &split, Side::Train).unwrap()
}

fn architecture(dataset: &Dataset) -> Architecture {
    Architecture::new(&NetworkConfig::default(), dataset.shape(), CLASSES).unwrap()
}

fn ser(criterion: &mut Criterion) {
    let dataset = dataset();
    let indices: Vec<usize> = (0..BATCH).map(|index| index * 2).collect();
    let mut group = group(criterion, "ser");
    group.bench_function("gather", |bencher| {
        let (device, _) = device::set_up("cpu", 0).unwrap();
        let batches = Batches::new(&dataset, device).unwrap();
        bencher.iter(|| black_box(batches.get(&indices).unwrap().features.size()));
    });
    for (name, precision) in [("step, f32", Precision::F32), ("step, bf16", Precision::Bf16)] {
        group.bench_function(name, |bencher| {
            let (device, _) = device::set_up("cpu", 0).unwrap();
            let network = Network::new(&architecture(&dataset), 0, device).unwrap().learning_in(precision);
            let mut learner = Learner::new(network, &FitConfig::default()).unwrap();
            let batches = Batches::new(&dataset, device).unwrap();
            let mut dropout = Random::new(&["dropout"]);
            bencher.iter(|| {
                let batch = batches.get(&indices).unwrap();
                learner.step(&batch, 1e-3, &mut dropout).unwrap().loss.double_value(&[])
            });
        });
    }
    group.throughput(Throughput::Elements(dataset.len() as u64));
    group.bench_function("evaluation", |bencher| {
        let (device, _) = device::set_up("cpu", 0).unwrap();
        let mut network = Network::new(&architecture(&dataset), 0, device).unwrap();
        let batches = Batches::new(&dataset, device).unwrap();
        bencher.iter(|| evaluate(&mut network, &dataset, &batches, &Silent).unwrap().predicted.len());
    });
    group.finish();
}

fn eager(criterion: &mut Criterion) {
    let dataset = dataset();
    let [channels, bands, frames] = dataset.shape().map(|size| size as i64);
    let rows: Vec<Tensor> = (0..dataset.len())
        .map(|index| {
            Tensor::from_slice(&dataset.stretches(&[index]).unwrap()[0]).view([channels, bands, frames])
        })
        .collect();
    let (features, labels) = (Tensor::stack(&rows, 0), dataset.labels().map(|label| label as i64));
    let labels = Tensor::from_slice(&labels.collect::<Vec<_>>());
    let indices = Tensor::from_slice(&(0..BATCH as i64).map(|index| index * 2).collect::<Vec<_>>());
    let threads = device::thread_count(0) as i32;
    let mut group = group(criterion, "eager");
    group.bench_function("step, f32", |bencher| {
        tch::set_num_threads(threads);
        let store = nn::VarStore::new(Device::Cpu);
        let network = Eager::new(&store.root());
        let mut optimizer = nn::Adam::default().build(&store, 1e-3).unwrap();
        bencher.iter(|| {
            let (x, y) = (features.index_select(0, &indices), labels.index_select(0, &indices));
            let loss = network.forward(&x, true).cross_entropy_for_logits(&y);
            optimizer.backward_step(&loss);
            loss.double_value(&[])
        });
    });
    group.throughput(Throughput::Elements(dataset.len() as u64));
    group.bench_function("evaluation", |bencher| {
        tch::set_num_threads(threads);
        let store = nn::VarStore::new(Device::Cpu);
        let network = Eager::new(&store.root());
        bencher.iter(|| {
            tch::no_grad(|| {
                for first in (0..dataset.len()).step_by(BATCH) {
                    let count = BATCH.min(dataset.len() - first) as i64;
                    let logits = network.forward(&features.narrow(0, first as i64, count), false);
                    black_box(logits.argmax(1, false).int64_value(&[0]));
                }
            });
        });
    });
    group.finish();
}

/// The default network as it is usually written.
struct Eager {
    convolutions: [nn::Conv2D; 2],
    norms: [nn::BatchNorm; 2],
    lstm: nn::LSTM,
    dense: [nn::Linear; 2],
}

impl Eager {
    fn new(path: &nn::Path<'_>) -> Self {
        let padded = nn::ConvConfig { padding: 1, ..nn::ConvConfig::default() };
        let both = nn::RNNConfig { bidirectional: true, ..nn::RNNConfig::default() };
        Self {
            convolutions: [nn::conv2d(path, 3, 32, 3, padded), nn::conv2d(path, 32, 64, 3, padded)],
            norms: [32, 64].map(|channels| nn::batch_norm2d(path, channels, nn::BatchNormConfig::default())),
            lstm: nn::lstm(path, 640, 128, both),
            dense: [
                nn::linear(path, 256, 128, nn::LinearConfig::default()),
                nn::linear(path, 128, CLASSES as i64, nn::LinearConfig::default()),
            ],
        }
    }

    fn forward(&self, x: &Tensor, training: bool) -> Tensor {
        let mut x = x.shallow_clone();
        for (convolution, norm) in self.convolutions.iter().zip(&self.norms) {
            x = norm.forward_t(&x.apply(convolution), training).relu().max_pool2d_default(2);
        }
        let x = x.permute([0, 3, 1, 2]).flatten(2, 3);
        let (x, _) = self.lstm.seq(&x);
        let x = x.mean_dim(1, false, Kind::Float).apply(&self.dense[0]).relu();
        x.dropout(0.3, training).apply(&self.dense[1])
    }
}

fn group<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(BATCH as u64)).sample_size(10);
    group
}

criterion_group!(benches, ser, eager);
criterion_main!(benches);
