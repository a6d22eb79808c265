// SPDX-License-Identifier: Apache-2.0
import Foundation
import NIOCore

/// An HTTP/1.1 answer as it came.
struct RawAnswer: Sendable {
    /// The connection ended first.
    struct Incomplete: Error {
        let text: String
    }

    let status: Int
    /// By names in lower case.
    let headers: [String: String]
    let body: [UInt8]

    var text: String { String(decoding: body, as: UTF8.self) }

    /// The body as JSON.
    var json: Any { get throws { try JSONSerialization.jsonObject(with: Data(body)) } }

    /// A value in the JSON body, by names and indices.
    func value(_ path: String...) throws -> Any? { RawAnswer.value(try json, path) }

    /// The documents of a stream of events, without `[DONE]`.
    func events() throws -> [Any] {
        try text.components(separatedBy: "\n\n").flatMap { $0.components(separatedBy: "\n") }
            .filter { $0.hasPrefix("data: ") && $0 != "data: [DONE]" }
            .map { try JSONSerialization.jsonObject(with: Data($0.dropFirst(6).utf8)) }
    }

    /// The documents of a stream of lines.
    func lines() throws -> [Any] {
        try text.split(separator: "\n").map {
            try JSONSerialization.jsonObject(with: Data($0.utf8))
        }
    }

    static func value(_ json: Any?, _ path: [String]) -> Any? {
        path.reduce(json) { value, name in
            if let index = Int(name), let array = value as? [Any] {
                return array.indices.contains(index) ? array[index] : nil
            }
            return (value as? [String: Any])?[name]
        }
    }

    /// The first answer in some bytes, with its length; nil while it is not complete.
    static func parse(_ bytes: ByteBuffer, toHead: Bool) throws -> (RawAnswer, Int)? {
        let all = Array(bytes.readableBytesView)
        guard let end = all.firstRange(of: Array("\r\n\r\n".utf8)) else { return nil }
        let lines = String(decoding: all[..<end.lowerBound], as: UTF8.self)
            .components(separatedBy: "\r\n")
        let status = Int(lines[0].split(separator: " ")[1]) ?? 0
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            headers[line[..<colon].lowercased()] = line[line.index(after: colon)...]
                .trimmingCharacters(in: .whitespaces)
        }
        let start = end.upperBound
        func answer(_ body: some Sequence<UInt8>, _ length: Int) -> (RawAnswer, Int) {
            (RawAnswer(status: status, headers: headers, body: Array(body)), length)
        }
        if toHead || status == 204 || status == 304 || status < 200 { return answer([], start) }
        if headers["transfer-encoding"] == "chunked" {
            guard let (body, length) = chunks(all[start...]) else { return nil }
            return answer(body, start + length)
        }
        let length = headers["content-length"].flatMap { Int($0) } ?? 0
        guard all.count >= start + length else { return nil }
        return answer(all[start..<start + length], start + length)
    }

    private static func chunks(_ bytes: ArraySlice<UInt8>) -> (body: [UInt8], length: Int)? {
        var body: [UInt8] = []
        var rest = bytes
        while let end = rest.firstRange(of: Array("\r\n".utf8)) {
            let size = Int(String(decoding: rest[..<end.lowerBound], as: UTF8.self), radix: 16) ?? 0
            rest = rest[end.upperBound...]
            guard rest.count >= size + 2 else { return nil }
            body += rest.prefix(size)
            rest = rest.dropFirst(size + 2)
            if size == 0 { return (body, bytes.count - rest.count) }
        }
        return nil
    }
}
