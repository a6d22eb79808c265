// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

let package = Package(
    name: "CaptionFolder",
    platforms: [.macOS(.v26)],
    dependencies: [.package(name: "TrimLLaVA", path: "../..")],
    targets: [
        .executableTarget(
            name: "CaptionFolder",
            dependencies: [.product(name: "TrimLLaVA", package: "TrimLLaVA")])
    ],
    swiftLanguageModes: [.v6]
)
