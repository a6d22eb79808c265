// SPDX-License-Identifier: Apache-2.0
import Foundation

// What libFuzzer's main calls: https://llvm.org/docs/LibFuzzer.html#fuzz-target

/// Lists the targets and ends, unless TRIMLLAVA_FUZZ_TARGET names one.
///
/// The name is no argument, because libFuzzer starts its workers with its own arguments alone.
@c(LLVMFuzzerInitialize)
public func initialize(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>
) -> CInt {
    if ProcessInfo.processInfo.environment["TRIMLLAVA_FUZZ_TARGET"] == nil {
        print(FuzzTarget.all.map { $0.name }.joined(separator: "\n"))
        exit(EXIT_SUCCESS)
    }
    return 0
}

/// Lets the target read the bytes of an execution.
@c(LLVMFuzzerTestOneInput)
public func readOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    FuzzTarget.chosen.run([UInt8](UnsafeBufferPointer(start: bytes, count: count)))
    return 0
}
