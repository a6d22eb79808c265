// SPDX-License-Identifier: Apache-2.0
import Foundation
import TrimLLaVA

/// Writes what every stage of a run computed as NumPy files.
struct DumpFolder {
    let path: String

    /// Makes the folder, so that an unusable path is known before the run.
    init(path: String) throws(DumpError) {
        self.path = path
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true)
        } catch {
            throw DumpError(path: path, error)
        }
        guard access(path, W_OK) == 0 else {
            throw DumpError(path: path, reason: String(cString: strerror(errno)))
        }
    }

    /// Writes one `.npy` file per stage.
    func write(_ recorder: StageRecorder) throws(DumpError) {
        try write("pixels", recorder.pixels)
        try write("features", recorder.features)
        try write("projected", recorder.projected)
        try write("logits", recorder.logits)
        try write("kept", recorder.kept)
        try write("tokens", recorder.tokens)
        try write("positions", recorder.positions)
        try write("generated", recorder.generated)
    }

    private func write(
        _ name: String, _ tensor: StageRecorder.Tensor<Float>
    ) throws(DumpError) {
        try write(name, type: "<f4", tensor.shape, tensor.values.withUnsafeBytes { Data($0) })
    }

    private func write(_ name: String, _ values: [Int32]) throws(DumpError) {
        try write(name, type: "<i4", [values.count], values.withUnsafeBytes { Data($0) })
    }

    /// Format version 1.0 of NumPy's `.npy` files: magic, header length, a Python dictionary padded
    /// so that the numbers start at a multiple of 64 bytes, the numbers in memory order.
    private func write(
        _ name: String, type: String, _ shape: [Int], _ numbers: Data
    ) throws(DumpError) {
        let dimensions = shape.map { "\($0)," }.joined(separator: " ")
        var header =
            "{'descr': '\(type)', 'fortran_order': False, 'shape': (\(dimensions)), }"
        let prefixLength = 10
        let unpadded = prefixLength + header.utf8.count + 1
        header += String(repeating: " ", count: (64 - unpadded % 64) % 64) + "\n"
        var data = Data([0x93] + Array("NUMPY".utf8) + [1, 0])
        data.append(contentsOf: [UInt8(header.utf8.count & 255), UInt8(header.utf8.count >> 8)])
        data.append(Data(header.utf8))
        data.append(numbers)
        let file = URL(fileURLWithPath: path).appendingPathComponent("\(name).npy")
        do {
            try data.write(to: file)
        } catch {
            throw DumpError(path: file.relativePath, error)
        }
    }
}

/// Why stages cannot be written.
struct DumpError: Error, Equatable, CustomStringConvertible {
    let path: String
    let reason: String

    init(path: String, reason: String) {
        self.path = path
        self.reason = reason
    }

    init(path: String, _ error: any Error) {
        self.init(path: path, reason: systemReason(error))
    }

    var description: String { "\(path): cannot write the stages: \(reason)" }
}
