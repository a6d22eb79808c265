// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@testable import ModelStore

@Suite struct StoreSettingsTests {
    private func settings(
        _ environment: [String: String], cache: String? = nil
    ) throws -> StoreSettings {
        try StoreSettings(
            environment.merging(["HOME": "/home/me"]) { given, _ in given }, cacheFolder: cache)
    }

    @Test(arguments: [
        ([:], "/home/me/.cache/huggingface/hub"),
        (["XDG_CACHE_HOME": "/c"], "/c/huggingface/hub"),
        (["HF_HOME": "~/hf", "XDG_CACHE_HOME": "/c"], "/home/me/hf/hub"),
        (["HUGGINGFACE_HUB_CACHE": "/old", "HF_HOME": "/hf"], "/old"),
        (["HF_HUB_CACHE": "/new", "HUGGINGFACE_HUB_CACHE": "/old"], "/new"),
        (["HF_HUB_CACHE": ""], "/home/me/.cache/huggingface/hub"),
    ])
    func findsTheCache(environment: [String: String], folder: String) throws {
        #expect(try settings(environment).cacheFolder == folder)
        #expect(try settings(environment, cache: "/given").cacheFolder == "/given")
    }

    @Test func findsTheToken() throws {
        let folder = try TemporaryFolder()
        let file = try folder.write(Array("hf_file\n".utf8), to: "token")
        #expect(try settings(["HF_HOME": folder.path]).token == "hf_file")
        #expect(try settings(["HF_TOKEN_PATH": file]).token == "hf_file")
        #expect(try settings(["HF_HOME": folder.path, "HF_TOKEN": " hf_own "]).token == "hf_own")
        let none = ["HF_HOME": folder.path, "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"]
        #expect(try settings(none).token == nil)
        #expect(try settings(["HF_HOME": "/absent"]).token == nil)
        #expect(throws: ModelStoreError.self) { try settings(["HF_TOKEN": "hf\r\nX-Other: 1"]) }
    }

    @Test func readsTheEndpoint() throws {
        #expect(try settings([:]).endpoint.absoluteString == "https://huggingface.co")
        let mirror = try settings(["HF_ENDPOINT": "http://mirror:8080/hub//"])
        #expect(mirror.endpoint.absoluteString == "http://mirror:8080/hub")
        for text in ["huggingface.co", "ftp://a", "http://", "not an address"] {
            #expect(throws: ModelStoreError.self) { try settings(["HF_ENDPOINT": text]) }
        }
    }

    @Test func findsTheStoresOfOllama() throws {
        #expect(
            try settings([:]).ollamaFolders
                == ["/home/me/.ollama/models", "/usr/share/ollama/.ollama/models"])
        #expect(try settings(["OLLAMA_MODELS": "/models"]).ollamaFolders == ["/models"])
    }

    @Test func obeysTheSwitch() throws {
        #expect(try settings(["HF_HUB_OFFLINE": "YES"]).isOffline)
        #expect(try settings(["TRANSFORMERS_OFFLINE": "1"]).isOffline)
        #expect(try !settings(["HF_HUB_OFFLINE": "0"]).isOffline)
    }

    @Test(arguments: [
        ("https://huggingface.co/a", "proxy.example:3128"), ("http://other.example/", "plain:80"),
        ("https://hub.internal/", nil), ("https://x.hub.internal:8443/", nil),
        ("https://xhub.internal/", "proxy.example:3128"), ("http://127.0.0.1:9/", nil),
        ("http://[::1]:9/", nil), ("https://domain.example/", nil),
    ])
    func choosesProxies(address: String, expected: String?) throws {
        let proxies = try ProxySettings([
            "https_proxy": "http://me:p%40ss@proxy.example:3128", "HTTP_PROXY": "plain",
            "no_proxy": "hub.internal, 127.0.0.1:9,[::1],.domain.example",
        ])
        let proxy = proxies.proxy(for: try #require(URL(string: address)))
        #expect(proxy.map { "\($0.host):\($0.port)" } == expected)
        if expected == "proxy.example:3128" {
            #expect(proxy?.user == "me")
            #expect(proxy?.password == "p@ss")
        }
    }

    @Test func refusesProxiesThatItCannotUse() throws {
        for text in ["https://secure:443", "socks5://me:secret@host:1080", "ftp://host", "http://"]
        {
            #expect(throws: ModelStoreError.self) { try ProxySettings(["all_proxy": text]) }
        }
        let all = try ProxySettings(["ALL_PROXY": "socks5h://host", "NO_PROXY": "*"])
        #expect(all.proxy(for: try #require(URL(string: "https://a"))) == nil)
        let socks = try ProxySettings(["ALL_PROXY": "socks5h://host"])
        #expect(socks.proxy(for: try #require(URL(string: "https://a")))?.isSOCKS == true)
    }
}
