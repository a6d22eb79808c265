// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

/// Benchmarks of the harness: `swift package benchmark` finds them by their folder, beside this file.
func benchmarks(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(
        name: name,
        dependencies: dependencies + [.product(name: "Benchmark", package: "benchmark")],
        path: name,
        plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")])
}

/// What float products are compared with.
let openBLAS = Target.Dependency.product(name: "COpenBLAS", package: "TrimLLaVA")

/// TrimLLaVA's modules that are no part of its library.
let internals = Target.Dependency.product(name: "TrimLLaVAInternals", package: "TrimLLaVA")

let package = Package(
    name: "TrimLLaVABenchmarks",
    platforms: [.macOS(.v26)],
    dependencies: [
        .package(name: "TrimLLaVA", path: ".."),
        // Without its traits the harness needs neither jemalloc nor preloaded libraries.
        .package(url: "https://github.com/ordo-one/benchmark", from: "1.38.1", traits: []),
    ],
    targets: [
        // What benchmarks share.
        .target(name: "CPeakLoops"),
        .target(name: "MachinePeaks", dependencies: ["CPeakLoops"]),
        .target(
            name: "CTileLoops",
            cSettings: [.unsafeFlags(["-fopenmp"], .when(platforms: [.linux]))],
            // Debian's libomp-dev puts LLVM's OpenMP library on the linker's path under this name.
            linkerSettings: [.linkedLibrary("omp5", .when(platforms: [.linux]))]),
        .target(name: "ForkJoins", dependencies: ["CTileLoops", internals]),

        // Times of single operations, by the harness.
        benchmarks("PoolBenchmarks", ["ForkJoins", internals]),

        // Tables of ratios: to the machine's peaks, and between alternatives.
        .target(name: "CAllocationCount"),
        .executableTarget(
            name: "Report",
            dependencies: ["CAllocationCount", "ForkJoins", "MachinePeaks", openBLAS, internals],
            // So that the libraries too call the `malloc` that counts.
            linkerSettings: [
                .unsafeFlags(["-Xlinker", "--export-dynamic"], .when(platforms: [.linux]))
            ]),
    ],
    swiftLanguageModes: [.v6]
)
