// swift-tools-version: 6.2
import PackageDescription

/// A module of the house: `Sources/<layer>/<name>`, and below it only what it may import.
func module(_ layer: String, _ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, path: "Sources/\(layer)/\(name)")
}

/// A C library of the operating system.
func systemLibrary(_ name: String, pkgConfig: String, debian: String, brew: String) -> Target {
    .systemLibrary(
        name: name, path: "Sources/System/\(name)", pkgConfig: pkgConfig,
        providers: [.apt([debian]), .brew([brew])])
}

/// The tests of one module, in release with `-enable-testing` (see tools/test).
func tests(_ module: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .testTarget(
        name: "\(module)Tests",
        dependencies: [.target(name: module), "TestSupport"] + dependencies)
}

let collections = Target.Dependency.product(
    name: "HeapModule", package: "swift-collections")
let arguments = Target.Dependency.product(
    name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
    name: "TrimLLaVA",
    platforms: [.macOS(.v15)],
    products: [
        .library(name: "TrimLLaVA", targets: ["TrimLLaVA"]),
        .executable(name: "trimllava", targets: ["TrimLLaVACommandLine"]),
        // For this repository's benchmarks alone: changes without notice.
        .library(name: "TrimLLaVAInternals", targets: ["WorkerPool"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    ],
    targets: [
        // Kernels: arithmetic on raw memory. Nothing here knows what a model is.
        module("Kernels", "CVectorOps"),
        module("Kernels", "BlockFormats", ["CVectorOps"]),
        module("Kernels", "Kernels", ["CVectorOps", "BlockFormats"]),
        module("Kernels", "CClosure"),
        module("Kernels", "WorkerPool", ["CClosure", "CVectorOps"]),

        // System: C libraries that Debian and Homebrew package.
        systemLibrary(
            "COpenBLAS", pkgConfig: "openblas", debian: "libopenblas-dev", brew: "openblas"),
        systemLibrary(
            "CTurboJPEG", pkgConfig: "libturbojpeg", debian: "libturbojpeg0-dev",
            brew: "jpeg-turbo"),
        systemLibrary("CPNG", pkgConfig: "libpng", debian: "libpng-dev", brew: "libpng"),
        systemLibrary("CWebP", pkgConfig: "libwebp", debian: "libwebp-dev", brew: "webp"),

        // Files: what comes from outside, checked and turned into values.
        module("Files", "GGUF", ["BlockFormats"]),
        module("Files", "Tokenization", ["GGUF", collections]),
        module("Files", "Imaging", ["CTurboJPEG", "CPNG", "CWebP"]),

        // Model: layers, weights, and the generation of text.
        module("Model", "TensorOps", ["Kernels", "BlockFormats", "WorkerPool", "COpenBLAS"]),
        module("Model", "LLaVAModel", ["TensorOps", "GGUF", "Imaging"]),
        module("Model", "TokenPruning", ["TensorOps"]),
        module("Model", "Generation", ["LLaVAModel", "Tokenization", "TokenPruning"]),

        // Product: the library that others import, and the command line.
        module("Product", "TrimLLaVA", ["Generation", "Imaging", "Tokenization", "GGUF"]),
        .executableTarget(
            name: "TrimLLaVACommandLine",
            dependencies: ["TrimLLaVA", "GGUF", "Tokenization", arguments],
            path: "Sources/Product/CommandLine"),

        .target(
            name: "TestSupport", dependencies: ["BlockFormats"], path: "Tests/TestSupport",
            resources: [.copy("Fixtures")]),
        tests("BlockFormats"),
        tests("GGUF"),
        tests("Tokenization", ["GGUF"]),
        tests("Imaging", ["CPNG"]),
        tests("WorkerPool", ["CVectorOps"]),
        tests("TensorOps", ["BlockFormats", "Kernels", "WorkerPool"]),
        tests(
            "LLaVAModel", ["BlockFormats", "GGUF", "Imaging", "Kernels", "TensorOps", "WorkerPool"]),
        tests("TokenPruning", ["Kernels", "TensorOps", "WorkerPool"]),
        tests(
            "Generation",
            [
                "GGUF", "Imaging", "Kernels", "LLaVAModel", "TensorOps", "Tokenization",
                "TokenPruning", "WorkerPool",
            ]),
        tests("TrimLLaVA", ["BlockFormats"]),
        tests("TrimLLaVACommandLine"),
    ],
    swiftLanguageModes: [.v6]
)
