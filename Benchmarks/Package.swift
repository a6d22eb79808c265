// swift-tools-version: 6.2
import PackageDescription

/// Benchmarks of the harness: `swift package benchmark` finds them by their folder, beside this file.
func benchmarks(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(
        name: name,
        dependencies: dependencies + [.product(name: "Benchmark", package: "benchmark")],
        path: name,
        plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")])
}

let package = Package(
    name: "TrimLLaVABenchmarks",
    platforms: [.macOS(.v15)],
    products: [.library(name: "MachinePeaks", targets: ["MachinePeaks"])],
    dependencies: [
        .package(name: "TrimLLaVA", path: ".."),
        // Without its traits the harness needs neither jemalloc nor preloaded libraries.
        .package(url: "https://github.com/ordo-one/benchmark", from: "1.38.1", traits: []),
    ],
    targets: [
        .target(name: "CPeakLoops"),
        .target(name: "MachinePeaks", dependencies: ["CPeakLoops"]),
        .executableTarget(name: "Report", dependencies: ["MachinePeaks"]),
    ],
    swiftLanguageModes: [.v6]
)
