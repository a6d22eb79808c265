// swift-tools-version: 6.2
import PackageDescription

/// Whether tools/fuzz builds its targets.
///
/// They leave the kernels unoptimised, which would take most of the time and run in one target alone.
let isFuzzing = Context.environment["TRIMLLAVA_FUZZ"] != nil

/// A module of the house: `Sources/<layer>/<name>`, and below it only what it may import.
func module(_ layer: String, _ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, path: "Sources/\(layer)/\(name)")
}

/// The kernels compiled for one instruction set; `flags` are the C compiler's, which Swift's code
/// generation follows.
func kernels(
    _ name: String, flags: [String], sixRowTiles: Bool = false,
    in folder: String = "Sources/Kernels"
) -> Target {
    .target(
        name: "Kernels\(name)", dependencies: ["CVectorOps", "KernelInterface"],
        path: "\(folder)/Kernels\(name)",
        swiftSettings: [
            .unsafeFlags(flags.flatMap { ["-Xcc", $0] }),
            // Without optimisation, vectors go through the standard library's generic code.
            .unsafeFlags(["-O"], .when(configuration: .debug)),
            .unsafeFlags(isFuzzing ? ["-Onone"] : []),
        ] + (sixRowTiles ? [.define("SIX_ROW_TILES")] : []))
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

/// What tests of models need besides.
let belowModels: [Target.Dependency] = [
    "BlockFormats", "GGUF", "Imaging", "KernelInterface", "Kernels", "TensorOps", "WorkerPool",
]

let collections = Target.Dependency.product(
    name: "HeapModule", package: "swift-collections")
let arguments = Target.Dependency.product(
    name: "ArgumentParser", package: "swift-argument-parser")
/// What the server is made of.
let server: [Target.Dependency] = [
    .product(name: "Hummingbird", package: "hummingbird"),
    .product(name: "HummingbirdCore", package: "hummingbird"),
    .product(name: "HummingbirdTLS", package: "hummingbird"),
    .product(name: "HTTPTypes", package: "swift-http-types"),
    .product(name: "Logging", package: "swift-log"),
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
    .product(name: "NIOPosix", package: "swift-nio"),
    .product(name: "NIOSSL", package: "swift-nio-ssl"),
    .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
]

/// What the program is made of.
let commandLineModules: [Target.Dependency] = [
    "Captioning", "DemoModel", "Evaluation", "FileOutput", "Generation", "GGUF", "Imaging",
    "Families", "ModelStore", "Pictures", "Sandboxing", "Serving", "SystemLimits", "TokenPruning",
    "Tokenization", "TrimLLaVA", "UserText", arguments,
    .product(name: "Logging", package: "swift-log"),
]
/// The program; a library under the fuzz targets, whose `main` is libFuzzer's.
let commandLine: Target =
    isFuzzing
    ? .target(
        name: "TrimLLaVACommandLine", dependencies: commandLineModules,
        path: "Sources/Product/CommandLine",
        swiftSettings: [
            .unsafeFlags(
                ["-entry-point-function-name", "trimllava_main"].flatMap { ["-Xfrontend", $0] })
        ])
    : .executableTarget(
        name: "TrimLLaVACommandLine", dependencies: commandLineModules,
        path: "Sources/Product/CommandLine")

// `.when` knows no architecture: this is the one that the manifest is evaluated on.
#if arch(arm64)
    let instructionSets = [
        kernels("NEON", flags: ["-march=armv8.2-a+dotprod"], sixRowTiles: true)
    ]
    let testedInstructionSets: [Target] = []
#else
    let avx2 = ["-mavx2", "-mfma", "-mf16c"]
    let instructionSets = [
        kernels("Baseline", flags: []),
        kernels("AVX2", flags: avx2),
        kernels("AVXVNNI", flags: avx2 + ["-mavxvnni"]),
        // Ice Lake and later, Zen 4 and later; tuned for the latter, where it was measured.
        kernels(
            "AVX512VNNI", flags: ["-march=x86-64-v4", "-mavx512vnni", "-mtune=znver4"],
            sixRowTiles: true),
        // Cooper Lake and Sapphire Rapids, Zen 4: one product more than AVX512VNNI's.
        kernels(
            "AVX512BF16",
            flags: ["-march=x86-64-v4", "-mavx512vnni", "-mavx512bf16", "-mtune=znver4"]),
    ]
    // AVX-VNNI's code in the encoding of AVX-512, which more processors have, for tests and benchmarks alone.
    let testedInstructionSets = [
        kernels(
            "AVXVNNIEVEX",
            flags: avx2 + ["-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512vnni"]
                + ["-DVECTORS_OF_256_BITS"],
            in: "Tests")
    ]
#endif

let package = Package(
    name: "TrimLLaVA",
    // Integers as generic parameters need the Swift runtime of macOS 26.
    platforms: [.macOS(.v26)],
    products: [
        .library(name: "TrimLLaVA", targets: ["TrimLLaVA"]),
        .library(name: "ModelStore", targets: ["ModelStore"]),
        // For this repository's benchmarks alone: changes without notice.
        .library(name: "COpenBLAS", targets: ["COpenBLAS"]),
        .library(
            name: "TrimLLaVAInternals",
            targets: [
                "BlockFormats", "KernelInterface", "Kernels", "WeightPanels", "WorkerPool", "GGUF",
                "Imaging", "TensorOps", "TokenPruning", "Weights", "Decoder", "Pictures",
                "Families", "Generation", "Tokenization",
            ] + testedInstructionSets.map(\.name)),
    ] + (isFuzzing ? [] : [.executable(name: "trimllava", targets: ["TrimLLaVACommandLine"])]),
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        // For the server alone: the modules Serving and TrimLLaVACommandLine.
        .package(
            url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(
            url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        // For downloads: the module ModelStore.
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
    ],
    targets: [
        // Kernels: arithmetic on raw memory. Nothing here knows what a model is.
        module("Kernels", "CVectorOps"),
        module("Kernels", "BlockFormats", ["CVectorOps"]),
        module("Kernels", "KernelInterface"),
        module("Kernels", "WeightPanels", ["BlockFormats", "CVectorOps", "KernelInterface"]),
        module(
            "Kernels", "Kernels",
            ["CVectorOps", "KernelInterface", "WeightPanels"]
                + instructionSets.map { .target(name: $0.name) }),
        module("Kernels", "SystemLimits"),
        module("Kernels", "CClosure"),
        module("Kernels", "WorkerPool", ["CClosure", "CVectorOps", "SystemLimits"]),

        // System: C libraries that Debian and Homebrew package. OpenBLAS starts its threads when it is loaded, so
        // tests and benchmarks alone link it: kernels are held against it.
        systemLibrary(
            "COpenBLAS", pkgConfig: "openblas", debian: "libopenblas-dev", brew: "openblas"),
        systemLibrary(
            "CTurboJPEG", pkgConfig: "libturbojpeg", debian: "libturbojpeg0-dev",
            brew: "jpeg-turbo"),
        systemLibrary("CPNG", pkgConfig: "libpng", debian: "libpng-dev", brew: "libpng"),
        systemLibrary("CWebP", pkgConfig: "libwebp", debian: "libwebp-dev", brew: "webp"),
        systemLibrary(
            "CArchive", pkgConfig: "libarchive", debian: "libarchive-dev", brew: "libarchive"),

        // Files: what comes from outside, checked and turned into values.
        module("Files", "FileOutput"),
        module("Files", "CSandbox"),
        module("Files", "Sandboxing", ["CSandbox", "FileOutput"]),
        module("Files", "GGUF", ["BlockFormats", "FileOutput"]),
        module("Files", "UserText", ["FileOutput"]),
        module("Files", "Tokenization", ["GGUF", collections]),
        module("Files", "Imaging", ["CTurboJPEG", "CPNG", "CWebP", "FileOutput", "SystemLimits"]),

        // Model: layers, weights, and the generation of text.
        module(
            "Model", "TensorOps",
            ["KernelInterface", "WeightPanels", "BlockFormats", "SystemLimits", "WorkerPool"]),
        module("Model", "TokenPruning", ["TensorOps"]),
        module(
            "Model", "Weights", ["TensorOps", "GGUF", "BlockFormats", "FileOutput", "WorkerPool"]),
        module(
            "Model", "Decoder",
            ["TensorOps", "Weights", "GGUF", "FileOutput", "SystemLimits", "WorkerPool"]),
        module("Model", "Pictures", ["TensorOps", "TokenPruning", "Weights", "GGUF", "Imaging"]),
        module(
            "Model", "Families",
            [
                "Decoder", "Pictures", "Weights", "GGUF", "Imaging", "TokenPruning", "Tokenization",
            ]),
        module("Model", "Generation", ["Families", "Tokenization", "TokenPruning"]),

        // Product: the library that others import, jobs over many pictures, and the command line.
        module(
            "Product", "TrimLLaVA",
            [
                "Generation", "Families", "Pictures", "Imaging", "KernelInterface", "Kernels",
                "FileOutput", "SystemLimits", "TokenPruning", "Tokenization", "GGUF",
                .product(name: "Crypto", package: "swift-crypto"),
            ]),
        module(
            "Product", "Evaluation",
            [
                "TrimLLaVA", "Decoder", "Generation", "Imaging", "Pictures", "TensorOps",
                "TokenPruning", "Tokenization", "Weights", "FileOutput", "UserText",
            ]),
        module(
            "Product", "Captioning",
            [
                "TrimLLaVA", "Generation", "Imaging", "Pictures", "Decoder", "TensorOps",
                "CArchive",
                "FileOutput", "UserText",
            ]),
        .target(
            name: "DemoModel", path: "Sources/Product/DemoModel",
            exclude: ["README.md", "training.log"],
            resources: [.copy("Resources")]),
        .target(
            name: "Serving",
            dependencies: [
                "TrimLLaVA", "Generation", "Imaging", "Families", "Pictures", "TokenPruning",
                "Tokenization",
            ] + server,
            path: "Sources/Product/Serving",
            resources: [
                .embedInCode("OpenAPI/openapi.json"), .embedInCode("Page/index.html"),
            ]),
        module(
            "Product", "ModelStore",
            [
                "FileOutput", "Tokenization",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ]),
        commandLine,

        .target(
            name: "TestSupport", dependencies: ["BlockFormats", "Imaging"],
            path: "Tests/TestSupport", resources: [.copy("Fixtures")]),
        // Small models that tests of several modules load.
        .target(
            name: "ModelTestSupport",
            dependencies: ["Families", "Decoder", "Pictures", "Weights", "TestSupport"]
                + belowModels,
            path: "Tests/ModelTestSupport"),
        // A server that speaks the Hub's addresses, for tests of downloads.
        .target(
            name: "HubTestSupport",
            dependencies: [
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            path: "Tests/HubTestSupport"),
        tests("BlockFormats"),
        tests("Kernels", ["KernelInterface"]),
        tests("GGUF"),
        tests("UserText"),
        tests("Tokenization", ["GGUF"]),
        tests("FileOutput"),
        tests("Sandboxing", ["FileOutput"]),
        tests("Imaging", ["CPNG", "Pictures"]),
        tests("SystemLimits"),
        tests("WorkerPool", ["CVectorOps"]),
        tests(
            "WeightPanels",
            ["BlockFormats", "KernelInterface", "Kernels"]
                + testedInstructionSets.map { .target(name: $0.name) }),
        tests(
            "TensorOps", ["BlockFormats", "COpenBLAS", "KernelInterface", "Kernels", "WorkerPool"]),
        tests("Weights", ["ModelTestSupport"] + belowModels),
        tests("Decoder", ["ModelTestSupport"] + belowModels),
        tests("Pictures", ["ModelTestSupport"] + belowModels),
        tests("Families", ["ModelTestSupport", "Tokenization"] + belowModels),
        tests("TokenPruning", ["Kernels", "TensorOps", "WorkerPool"]),
        tests(
            "Generation",
            [
                "GGUF", "Imaging", "KernelInterface", "Kernels", "Families", "TensorOps",
                "Tokenization", "TokenPruning", "WorkerPool",
            ]),
        tests(
            "TrimLLaVA",
            [
                "BlockFormats", "GGUF", "Generation", "Imaging", "Families", "TokenPruning",
                "Tokenization",
            ]),
        tests("Evaluation", ["TrimLLaVA", "Decoder", "TensorOps"]),
        tests(
            "Captioning", ["CArchive", "FileOutput", "Generation", "Families", "TrimLLaVA"]),
        tests("Serving", ["TrimLLaVA", "Generation", "Imaging", "TokenPruning"] + server),
        tests("ModelStore", ["FileOutput", "HubTestSupport"]),
        tests("TrimLLaVACommandLine", ["FileOutput", "HubTestSupport", "ModelStore"]),
    ] + instructionSets + testedInstructionSets,
    swiftLanguageModes: [.v6]
)

// What the fuzz targets read is replayed by a test; tools/fuzz builds a program of the same files, with libFuzzer.
let fuzzed: [Target.Dependency] =
    [
        "BlockFormats", "Captioning", "Decoder", "Evaluation", "FileOutput", "Generation", "GGUF",
        "Imaging", "ModelStore", "Serving", "TestSupport", "TokenPruning", "Tokenization",
        "TrimLLaVA", "TrimLLaVACommandLine", "UserText",
        .product(name: "NIOEmbedded", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras"),
    ] + server
let noSources = ["Corpus", "Dictionaries", "README.md"]
if !isFuzzing {
    package.targets.append(
        .testTarget(
            name: "FuzzTests", dependencies: fuzzed, path: "Tests/Fuzz",
            exclude: noSources + ["Fuzzer"], sources: ["Replay", "Targets"]))
} else {
    package.targets.append(
        .executableTarget(
            name: "Fuzz", dependencies: fuzzed, path: "Tests/Fuzz",
            exclude: noSources + ["Replay"], sources: ["Fuzzer", "Targets"],
            swiftSettings: [.unsafeFlags(["-parse-as-library"])],
            linkerSettings: [.unsafeFlags(["-sanitize=fuzzer,address"])]))
    // After every execution, libFuzzer looks at a counter for each edge of the program. Kernels and the packages that the
    // server is made of would have most of them.
    for target in package.targets where [.regular, .executable].contains(target.type) {
        guard !target.name.hasPrefix("Kernel") else { continue }
        target.swiftSettings =
            (target.swiftSettings ?? []) + [.unsafeFlags(["-sanitize=fuzzer,address"])]
    }
}
